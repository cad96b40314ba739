"""A job that is stopped in the middle: what it leaves, and that the next one goes on to the same weights."""

import functools
import io
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from segsweep.tracking.store import Store

pytestmark = pytest.mark.slow

EPOCHS = 40
WORDS = [
    *("data.size=32", "data.train_images=12", "data.validation_images=4", "data.test_images=4"),
    *("model.depth=1", "model.width=3", f"training.epochs={EPOCHS}", "training.batch_size=4"),
    "evaluation.latency.enabled=false",
]


def start(folder: Path, *more: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "segsweep.cli", "run", *WORDS, *more]
    # Whoever runs the tests in the background has SIGINT ignored, and children inherit that.
    listen = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=listen)


def wait_for_checkpoint(folder: Path, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 240
    while not list((folder / "mlruns" / "checkpoints").glob("*.npz")):
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < deadline, "no checkpoint was written"
        time.sleep(0.02)


def store_of(folder: Path) -> Store:
    return Store.open_to_read(f"sqlite:///{folder}/mlruns/mlflow.db", "segsweep")


def weights(folder: Path) -> list[np.ndarray]:
    store = store_of(folder)
    (run,) = [run for run in store.of_kind("training") if run.is_finished]
    with np.load(io.BytesIO(store.artifacts.read(run, "weights/weights.npz"))) as arrays:
        return [arrays[name] for name in sorted(arrays.files)]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    process = start(folder)
    assert process.wait(300) == 0, process.stderr.read().decode()
    return folder


@pytest.mark.parametrize(
    ("more", "number", "status", "exit_status"),
    [
        ([], signal.SIGKILL, "RUNNING", -9),
        (["-m", "hydra/launcher=basic"], signal.SIGTERM, "KILLED", 143),
        (["-m", "sweep.workers=2"], signal.SIGINT, "KILLED", 130),
    ],
)
def test_the_next_run_goes_on_and_ends_with_the_same_weights(
    tmp_path, monkeypatch, uninterrupted, more, number, status, exit_status
):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    process = start(tmp_path, *more)
    wait_for_checkpoint(tmp_path, process)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    assert process.wait(120) == exit_status
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive, "nothing goes on after a sweep that was stopped"
    store = store_of(tmp_path)
    (stopped,) = store.of_kind("training")
    assert stopped.status == status
    assert store.of_kind("sweep")[0].status == status

    again = start(tmp_path, *more)
    assert again.wait(300) == 0, again.stderr.read().decode()
    (finished,) = store.of_kind("training")
    assert finished.run_id == stopped.run_id
    assert finished.status == "FINISHED"
    assert [run.status for run in store.of_kind("sweep")] == ["FINISHED", "KILLED"]
    steps = [step for step, _ in store.history(finished.run_id, "train/loss")]
    assert steps == list(range(1, EPOCHS + 1))
    assert not list((tmp_path / "mlruns" / "checkpoints").iterdir())
    for one, other in zip(weights(tmp_path), weights(uninterrupted), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_killed_worker_costs_nothing_but_time(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    process = start(tmp_path, "-m", "sweep.workers=2", "seed=0,1")
    wait_for_checkpoint(tmp_path, process)
    store = store_of(tmp_path)
    training = next(run for run in store.of_kind("training") if run.status == "RUNNING")
    psutil.Process(int(training.tags["segsweep.pid"])).kill()
    assert process.wait(300) == 0, process.stderr.read().decode()
    # One that was killed before its first epoch was over stays as a failure beside its successor.
    statuses = [run.status for run in store.of_kind("training")]
    assert statuses.count("FINISHED") == 2
    assert set(statuses) <= {"FINISHED", "FAILED"}
    assert [run.status for run in store.of_kind("variant") if run.is_finished] == ["FINISHED"] * 2
    (sweep,) = store.of_kind("sweep")
    assert sweep.status == "FINISHED"
