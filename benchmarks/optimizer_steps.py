"""Trains the quickstart's network with several batch sizes, epochs and averages of weights.

Chosen by the best mean IoU on the validation images; beside it that on 160 images of another seed, which chose nothing.
The baseline is a batch of 16 for 30 epochs. Seconds are those of the CPU, so that other programs matter less.

    python benchmarks/optimizer_steps.py --batch-sizes 16 8 4 --epochs 30 45 --ema 0 0.98 --widths 8 16 --seeds 1 2
"""

import argparse
import itertools
import statistics
import time
from dataclasses import replace

_HELD_OUT_SEED, _HELD_OUT_IMAGES = 77, 160


def main() -> None:
    """Print a Markdown table with a row for each batch size, epochs and decay: means over widths, rates and seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[16, 8, 4])
    parser.add_argument("--epochs", type=int, nargs="+", default=[30, 45])
    parser.add_argument("--ema", type=float, nargs="+", default=[0.0, 0.98], help="decays; 0: the last weights")
    parser.add_argument("--widths", type=int, nargs="+", default=[8, 16])
    parser.add_argument("--rates", type=float, nargs="+", default=[0.003, 0.01])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    asked = parser.parse_args()

    from segsweep.training.runtime import configure

    configure(1)
    import tf_keras as keras

    from segsweep.composed_settings import composed_settings
    from segsweep.data.sources import load_dataset
    from segsweep.models.table import build_model
    from segsweep.resolving import resolved
    from segsweep.training.losses import build_loss
    from segsweep.training.optimizer_steps import optimizer_steps
    from segsweep.training.steps import Validation
    from segsweep.training.trainer import fit

    config = composed_settings(["experiment=quickstart"])
    dataset = load_dataset(config.data)
    config = resolved(config, dataset)
    other = [f"data.seed={_HELD_OUT_SEED}", f"data.train_images={_HELD_OUT_IMAGES}"]
    held_out = load_dataset(composed_settings([*other, "data.validation_images=1", "data.test_images=1"]).data).train
    size = dataset.train.image_shape[:2]

    print("| batch size | epochs | optimizer steps | EMA | validation | other images | CPU s |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for epochs, batch_size, ema in itertools.product(asked.epochs, asked.batch_sizes, asked.ema):
        best, held, seconds = [], [], []
        for width, rate, seed in itertools.product(asked.widths, asked.rates, asked.seeds):
            keras.backend.clear_session()
            model = build_model(replace(config.model, width=width), dataset.train.image_shape, 2, seed)
            training = replace(
                config.training, batch_size=batch_size, epochs=epochs, learning_rate=rate, ema=ema or None
            )
            start = time.process_time()
            result = fit(model, dataset, training=training, loss=config.loss, size=size, seed=seed)
            seconds.append(time.process_time() - start)
            best.append(result.history[result.best_epoch - 1].metrics["val/mean_iou"])
            score = Validation(
                model,
                build_loss(config.loss, classes=2, class_frequencies=None),
                held_out,
                dataset.normalization,
                class_names=dataset.classes,
                size=size,
                batch_size=16,
            )
            held.append(score()["val/mean_iou"])
        steps = optimizer_steps(training, len(dataset.train)).total
        numbers = [f"{statistics.mean(each):.4f}" for each in (best, held)]
        print(
            f"| {batch_size} | {epochs} | {steps} | {ema or ''} | {' | '.join(numbers)} | {sum(seconds):.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
