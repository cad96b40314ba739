"""Times experiment=quickstart: against the plain script, with two workers against one, and once more when all is done.

python benchmarks/quickstart.py [--skip-plain]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

_PROGRAM = [sys.executable, "-m", "segsweep.cli"]


def main() -> None:
    """Run everything and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--skip-plain", action="store_true", help="leave out the plain script, which takes longest")
    options = parser.parse_args()
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}

    # A warm environment: bytecode and file caches filled.
    with tempfile.TemporaryDirectory() as folder:
        timed([*_PROGRAM, "run", "training.epochs=1", "model.width=2"], folder, environment)
    with tempfile.TemporaryDirectory() as folder:
        sweep = [*_PROGRAM, "run", "-m", "experiment=quickstart"]
        two, memory = timed(sweep, folder, environment)
        print((Path(folder) / "out.txt").read_text())
        again, _ = timed(sweep, folder, environment)
    with tempfile.TemporaryDirectory() as folder:
        one, _ = timed([*sweep, "sweep.workers=1"], folder, environment)
        shares(Path(folder), one, environment)
    rows = [
        ("quickstart, default workers", two, ""),
        ("quickstart, one worker", one, f"default / one: {two / one:.2f}"),
        ("quickstart repeated", again, f"repeated / first: {again / two:.2f}"),
    ]
    if not options.skip_plain:
        script = str(Path(__file__).with_name("plain_script.py"))
        with tempfile.TemporaryDirectory() as folder:
            plain, _ = timed([sys.executable, script], folder, environment)
        rows.append(("plain script", plain, f"plain / quickstart: {plain / two:.1f}"))
    print("| what | seconds | ratio |\n| --- | ---: | --- |")
    for name, seconds, ratio in rows:
        print(f"| {name} | {seconds:.1f} | {ratio} |")
    print(f"\nPeak memory of the largest process: {memory / 2**30:.2f} GiB")


def shares(folder: Path, wall: float, environment: dict[str, str]) -> None:
    """Print where the wall time of a sweep with one worker went."""
    from segsweep.tracking import names
    from segsweep.tracking.store import Store

    store = Store.open_to_read(f"sqlite:///{folder}/mlruns/mlflow.db", "segsweep")
    trainings, variants = store.of_kind(names.TRAINING), store.of_kind(names.VARIANT)

    def total(runs: list, name: str) -> float:  # type: ignore[type-arg]
        return sum(run.metrics.get(name, 0) for run in runs)

    imports = 0.0
    for modules in (
        "segsweep.sweep.hydra_sweep",
        "segsweep.job, tensorflow_model_optimization, segsweep.training.trainer",
    ):
        command = [sys.executable, "-c", f"import {modules}"]
        imports += timed(command, str(folder), {**environment, "TF_USE_LEGACY_KERAS": "1"})[0]
    training = total(trainings, names.TRAIN_SECONDS)
    steps, validation = total(trainings, names.TRAIN_STEP_SECONDS), total(trainings, names.VALIDATION_SECONDS)
    evaluating, invokes = total(variants, names.EVALUATE_SECONDS), total(variants, names.INVOKE_SECONDS)
    parts = {
        "training steps, tracing included": steps,
        "validation": validation,
        "conversion and quantization": total(variants, names.EXPORT_SECONDS),
        "interpreter invokes, scoring": invokes,
        "interpreter invokes, latency": total(variants, names.LATENCY_SECONDS),
        "imports": imports,
        "batches and checkpoints": training - steps - validation,
        "scoring around the invokes": evaluating - invokes,
    }
    parts["all else (data, tracking, composing, process starts)"] = wall - sum(parts.values())
    print("| one worker: where the time goes | seconds | share |\n| --- | ---: | ---: |")
    for name, seconds in parts.items():
        print(f"| {name} | {seconds:.1f} | {seconds / wall:.1%} |")
    print()


def timed(command: list[str], folder: str, environment: dict[str, str]) -> tuple[float, int]:
    """Wall seconds of a command run in `folder`, and the peak resident bytes of its largest process."""
    peak = 0
    with (Path(folder) / "out.txt").open("w") as out, (Path(folder) / "err.txt").open("w") as err:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=err)
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            try:
                family = [watched, *watched.children(recursive=True)]
                peak = max([peak, *(member.memory_info().rss for member in family)])
            except psutil.NoSuchProcess:
                pass
            time.sleep(0.2)
        seconds = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(
            f"{' '.join(command)} ended with {process.returncode}:\n{(Path(folder) / 'err.txt').read_text()}"
        )
    return seconds, peak


if __name__ == "__main__":
    main()
