"""Whether the input keeps up: steps fed by the real pipeline against the same steps on batches in memory.

python benchmarks/step_time.py [EXPERIMENT ...]     the stand-in of each published exercise
"""

import os
import statistics
import subprocess
import sys
import time

_SMALL = ("model.encoder=mobilenet_v2", "model.alpha=0.35", "model.weights=null")
_EXPERIMENTS = {
    "sentinel2_cultivated": (),
    "aerial_landcover": (*_SMALL, "data.patch.size=128"),
    "voc_foreground": (),
    "deepglobe_landcover": (*_SMALL, "data.size=[96,96]"),
    "pets_mobilenetv2": _SMALL,
    "camvid": (),
}
"""With an encoder, the smallest: the less a step takes, the more the input matters."""
_ROUNDS = 5


def main() -> None:
    """Print a Markdown table; each experiment is measured in a process of its own."""
    if sys.argv[1:2] == ["--one"]:
        print(measure(sys.argv[2]))
        return
    print("| experiment | step, in memory (ms) | step, pipeline (ms) | ratio |\n| --- | ---: | ---: | ---: |")
    for name in sys.argv[1:] or _EXPERIMENTS:
        command = [sys.executable, __file__, "--one", name]
        done = subprocess.run(
            command, env={**os.environ, "PYTHONWARNINGS": "ignore"}, stdout=subprocess.PIPE, text=True
        )
        print(done.stdout.splitlines()[-1] if done.returncode == 0 else f"| {name} | failed | | |", flush=True)


def measure(experiment: str) -> str:
    """A row of the table: medians over rounds in which the two take turns."""
    from hydra import compose, initialize_config_module

    from hydra_plugins.segsweep_sweeper.segsweep_sweeper import register

    register()
    from segsweep.config.job_config import to_job_config

    overrides = [f"experiment={experiment}", "data.standin=true", *_EXPERIMENTS[experiment]]
    with initialize_config_module("segsweep.conf", version_base="1.3"):
        config = to_job_config(compose("config", overrides=overrides))

    from segsweep.training.runtime import configure

    configure(config.training.threads)
    from segsweep.data.batches import network_size, training_batches
    from segsweep.data.class_frequencies import class_frequencies
    from segsweep.data.sources import load_dataset
    from segsweep.data.view import suited
    from segsweep.models.table import build_model, size_multiple
    from segsweep.training.losses import build_loss
    from segsweep.training.optimizer_steps import optimizer_steps
    from segsweep.training.optimizers import build_optimizer
    from segsweep.training.steps import TrainStep

    dataset = load_dataset(config.data)
    size = network_size([dataset.train.image_shape], size_multiple(config.model))
    model = build_model(config.model, (*size, dataset.train.image_shape[2]), len(dataset.classes), 0)
    classes = len(dataset.classes)
    loss = build_loss(config.loss, classes=classes, class_frequencies=class_frequencies(dataset.train, classes))
    step = TrainStep(model, build_optimizer(config.training), loss)

    def batches(epoch: int):
        return training_batches(
            dataset.train,
            dataset.normalization,
            size=size,
            batch_size=optimizer_steps(config.training, len(dataset.train)).batch_size,
            augmentation=suited(config.training.augmentation, dataset.view),
            seed=0,
            epoch=epoch,
        )

    def seconds(source) -> float:
        start = time.perf_counter()
        for images, labels in source:
            step(images, labels, 1e-5)
        step.metrics()
        return time.perf_counter() - start

    kept = list(batches(0))
    seconds(kept)
    taken: dict[str, list[float]] = {"memory": [], "pipeline": []}
    for number in range(_ROUNDS):
        taken["memory"].append(seconds(kept) / len(kept))
        taken["pipeline"].append(seconds(batches(number + 1)) / len(kept))
    memory, pipeline = (1000 * statistics.median(taken[which]) for which in ("memory", "pipeline"))
    return f"| {experiment} | {memory:.1f} | {pipeline:.1f} | {pipeline / memory:.2f} |"


if __name__ == "__main__":
    main()
