"""What every way of running jobs keeps: success, a job that raises, a worker that is killed half-way, and its resume.

One sweep of three trainings on two workers each; the tests read what it left.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from segsweep.report.comparison import comparison, find_sweep
from segsweep.tracking import names
from segsweep.tracking.store import Store

pytestmark = pytest.mark.slow

EPOCHS = 60
WORDS = [
    *("data.size=32", "data.train_images=12", "data.validation_images=4", "data.test_images=4"),
    *("model.depth=1", "model.width=3", f"training.epochs={EPOCHS}", "training.batch_size=4"),
    *("evaluation.latency.enabled=false", "sweep.workers=2"),
]
RATES = (0.001, 0.002, 1e30)
"""The last of them makes the loss infinite."""


@pytest.fixture(scope="class")
def swept(request, tmp_path_factory) -> Path:
    """The folder of a sweep with the launcher of the test class, one of whose workers was killed."""
    launcher = request.cls.launcher
    folder = tmp_path_factory.mktemp(launcher)
    rates = ",".join(f"{rate:g}" for rate in RATES)
    command = [sys.executable, "-m", "segsweep.cli", "run", "-m", *WORDS, f"hydra/launcher={launcher}"]
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    with (folder / "err.txt").open("w") as err, (folder / "out.txt").open("w") as out:
        process = subprocess.Popen(
            [*command, f"training.learning_rate={rates}"], cwd=folder, stdout=out, stderr=err, env=environment
        )
        try:
            kill_one_half_way(folder, process)
            status = process.wait(400)
        finally:
            if process.poll() is None:
                process.kill()
    (folder / "status.txt").write_text(str(status))
    return folder


def kill_one_half_way(folder: Path, process: "subprocess.Popen[bytes]") -> None:
    """Kill the worker of a training that has a checkpoint; note which run it was."""
    deadline = time.monotonic() + 300
    while True:
        assert process.poll() is None, (folder / "err.txt").read_text()
        assert time.monotonic() < deadline, (folder / "err.txt").read_text()
        for checkpoint in (folder / "mlruns" / "checkpoints").glob("*.npz"):
            runs = store_of(folder).with_key(names.TRAINING, names.TRAINING_KEY, checkpoint.stem)
            running = [run for run in runs if run.status == "RUNNING"]
            if running:
                psutil.Process(int(running[0].tags[names.PID])).send_signal(signal.SIGKILL)
                (folder / "killed.txt").write_text(running[0].run_id)
                return
        time.sleep(0.02)


class EngineContract:
    """What holds for each launcher."""

    launcher: str

    def test_what_can_succeed_succeeds(self, swept):
        rows = comparison(store_of(swept), find_sweep(store_of(swept), None))
        assert dict(zip(rows["learning_rate"], rows["status"], strict=True)) == {
            0.001: "FINISHED",
            0.002: "FINISHED",
            1e30: "FAILED",
        }

    def test_a_job_that_raises_is_one_failed_run_with_its_traceback(self, swept):
        assert (swept / "status.txt").read_text() == "1"
        assert "NonFiniteLossError" in (swept / "err.txt").read_text()
        store = store_of(swept)
        failed = [run for run in store.of_kind(names.TRAINING) if "NonFiniteLoss" in run.tags.get(names.FAILURE, "")]
        assert [run.status for run in failed] == ["FAILED"]
        assert "Traceback" in store.artifacts.path(failed[0], names.FAILURE_FILE).read_text()

    def test_a_killed_training_goes_on_from_its_checkpoint(self, swept):
        store = store_of(swept)
        killed = store.get((swept / "killed.txt").read_text())
        assert killed.status == "FINISHED"
        assert [step for step, _ in store.history(killed.run_id, "train/loss")] == list(range(1, EPOCHS + 1))

    def test_nothing_is_left_running_and_nothing_is_there_twice(self, swept):
        store = store_of(swept)
        for kind in (names.TRAINING, names.VARIANT):
            runs = store.of_kind(kind)
            assert not [run for run in runs if run.status == "RUNNING"]
            key = names.TRAINING_KEY if kind == names.TRAINING else names.EVALUATION_KEY
            finished = [run.tags[key] for run in runs if run.is_finished]
            assert len(finished) == len(set(finished)) == 2


class TestLocal(EngineContract):
    launcher = "local"


class TestJoblib(EngineContract):
    launcher = "joblib"


class TestRay(EngineContract):
    launcher = "ray"


class TestDask(EngineContract):
    launcher = "dask"


class TestSlurmsLocalExecutor(EngineContract):
    launcher = "slurm_local"


def store_of(folder: Path) -> Store:
    return Store.open_to_read(f"sqlite:///{folder}/mlruns/mlflow.db", "segsweep")
