"""The sweep engine: a sweep of which all is done, workers side by side, and what each launcher adds to a job.

python benchmarks/engine.py cached | workers | launchers
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_PROGRAM = [sys.executable, "-m", "segsweep.cli", "run", "-m"]
_TINY = [
    *("data.size=32", "data.train_images=8", "data.validation_images=4", "data.test_images=4"),
    *("model.depth=1", "model.width=2", "training.epochs=1", "evaluation.latency.enabled=false"),
]
_CACHED = 1000
_LAUNCHERS = ("basic", "joblib", "local", "ray", "dask", "slurm_local")


def main() -> None:
    """Print a Markdown table of the measurement that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("cached", "workers", "launchers"))
    {"cached": cached, "workers": workers, "launchers": launchers}[parser.parse_args().what]()


def cached() -> None:
    """A sweep of 1,000 jobs whose runs are all in the store, and the imports alone."""
    with tempfile.TemporaryDirectory() as folder:
        words = [*_TINY, f"seed=range({_CACHED})"]
        fill(Path(folder), words)
        seconds = timed([*_PROGRAM, *words], folder)
        imports = timed(
            [sys.executable, "-c", "import segsweep.sweep.hydra_sweep, segsweep.report.figures.pareto_plots"], folder
        )
        planned = timed([sys.executable, "-m", "segsweep.cli", "plan", "-m", *words], folder)
    print("| what | seconds | jobs/s |\n| --- | ---: | ---: |")
    print(f"| sweep of {_CACHED} cached jobs | {seconds:.1f} | {_CACHED / seconds:.0f} |")
    print(f"| without imports | {seconds - imports:.1f} | {_CACHED / (seconds - imports):.0f} |")
    print(f"| plan of the same | {planned:.1f} | |\n| imports | {imports:.1f} | |")


def fill(folder: Path, words: list[str]) -> None:
    """Give the store of `folder` a finished run for each point, as if they had been made."""
    script = """
import sys
from hydra import compose, initialize_config_module
from hydra_plugins.segsweep_sweeper.segsweep_sweeper import register
register()
from dataclasses import replace
from segsweep.config.job_config import parameters, to_job_config
from segsweep.data.sources import load_dataset
from segsweep.lineage.jobs import lineage
from segsweep.tracking import names
from segsweep.tracking.store import Store

with initialize_config_module("segsweep.conf", version_base="1.3"):
    config = to_job_config(compose("config", overrides=sys.argv[2:-1]))
dataset = load_dataset(config.data)
store = Store.open(config.tracking.uri, config.tracking.experiment)
for seed in range(int(sys.argv[1])):
    spec = lineage(replace(config, seed=seed), dataset).asked
    tags = {names.EVALUATION_KEY: spec.evaluation_key, names.TRAINING_KEY: spec.training.key,
            names.TRAINING_KIND: "float"}
    with store.run(names.VARIANT, "v", parent=None, tags=tags, params=parameters(spec.config)) as run_id:
        store.add_artifacts(run_id, {names.MODEL_FILE: b"x" * 20_000})
        store.log(run_id, metrics={names.ACCURACY: 0.5, names.MEAN_IOU: 0.4, names.SIZE_BYTES: 20_000})
"""
    subprocess.run([sys.executable, "-c", script, str(_CACHED), *words], cwd=folder, check=True, env=environment())


def workers() -> None:
    """Eight trainings with one worker and with two."""
    words = ["training.epochs=30", "model.width=8", f"seed=range({8})"]
    seconds = {}
    for count in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            seconds[count] = timed([*_PROGRAM, *words, f"sweep.workers={count}"], folder)
    print("| workers | seconds | ratio |\n| --- | ---: | ---: |")
    print(f"| 1 | {seconds[1]:.1f} | |\n| 2 | {seconds[2]:.1f} | {seconds[2] / seconds[1]:.2f} |")


def launchers() -> None:
    """Seconds a job beyond the first two, with a training that is as good as none, on one worker."""
    print("| launcher | 2 jobs, s | 12 jobs, s | s a job |\n| --- | ---: | ---: | ---: |")
    for name in _LAUNCHERS:
        seconds = {}
        for jobs in (2, 12):
            with tempfile.TemporaryDirectory() as folder:
                words = [*_TINY, f"seed=range({jobs})", "sweep.workers=1", f"hydra/launcher={name}"]
                seconds[jobs] = timed([*_PROGRAM, *words], folder)
        each = (seconds[12] - seconds[2]) / 10
        print(f"| {name} | {seconds[2]:.1f} | {seconds[12]:.1f} | {each:.2f} |", flush=True)


def timed(command: list[str], folder: str) -> float:
    """Wall seconds of a command run in `folder`."""
    with (Path(folder) / "said.txt").open("w") as said:
        started = time.perf_counter()
        subprocess.run(command, cwd=folder, env=environment(), stdout=said, stderr=said, check=True)
        return time.perf_counter() - started


def environment() -> dict[str, str]:
    """The environment without a store in it."""
    return {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}


if __name__ == "__main__":
    main()
