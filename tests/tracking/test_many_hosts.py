"""Several hosts on one MLflow server with PostgreSQL behind it, which is restarted in the middle of their work."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from segsweep.report.comparison import comparison, find_sweep
from segsweep.tracking import names
from segsweep.tracking.store import Store

pytestmark = pytest.mark.slow

EPOCHS = 600
WORDS = [
    *("data.size=32", "data.train_images=12", "data.validation_images=4", "data.test_images=4"),
    *("model.depth=1", "model.width=3", f"training.epochs={EPOCHS}", "training.batch_size=4"),
    *("evaluation.latency.enabled=false", "tracking.heartbeat=1"),
]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def programs() -> Path:
    """The folder of PostgreSQL's server programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [Path(shutil.which("initdb") or "/none")]
    if not found[-1].exists():
        pytest.skip("PostgreSQL's server is not installed (Debian: apt-get install postgresql)")
    return found[-1].parent


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """The address of a PostgreSQL of one's own."""
    folder, bin_folder = tmp_path_factory.mktemp("postgres"), programs()
    as_user = []
    if os.geteuid() == 0:
        # PostgreSQL does not run as root.
        shutil.chown(folder, "postgres")
        for parent in folder.parents:
            if parent.stat().st_uid == 0 and parent != Path("/"):
                parent.chmod(parent.stat().st_mode | 0o011)
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    port = free_port()
    subprocess.run(
        [*as_user, bin_folder / "initdb", "-D", folder / "data", "-A", "trust", "-U", "postgres"],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=folder,
    )
    server = subprocess.Popen(
        [*as_user, bin_folder / "postgres", "-D", folder / "data", "-p", str(port), "-k", folder],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
    )
    uri = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    deadline = time.monotonic() + 60
    while subprocess.run(
        [bin_folder / "pg_isready", "-h", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL
    ).returncode:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    yield uri
    server.send_signal(signal.SIGINT)
    server.wait(30)


class MlflowServer:
    """A server with the artifacts behind it, as several hosts would share one."""

    def __init__(self, database: str, folder: Path):
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._command = [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)),
            *("--backend-store-uri", database, "--artifacts-destination", (folder / "artifacts").as_uri()),
            *("--workers", "1"),
        ]
        self._log = (folder / "server.log").open("a")
        self._process: subprocess.Popen | None = None
        self.start()

    def start(self) -> None:
        import urllib.request

        self._process = subprocess.Popen(
            self._command, stdout=self._log, stderr=self._log, start_new_session=True,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
        )  # fmt: skip
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=2).close()
                return
            except OSError:
                assert self._process.poll() is None, "the server ended; its log is in server.log"
                assert time.monotonic() < deadline
                time.sleep(0.2)

    def stop(self) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(30)


@pytest.fixture(scope="module")
def server(database, tmp_path_factory):
    made = MlflowServer(database, tmp_path_factory.mktemp("mlflow"))
    yield made
    made.stop()


@pytest.fixture
def start():
    """Starts sweeps as hosts of these names, and ends those that are still there when the test is over."""
    started = []

    def started_one(*arguments: Any) -> "subprocess.Popen[bytes]":
        started.append(sweeping(*arguments))
        return started[-1]

    yield started_one
    for process in started:
        process.kill()
        process.wait(30)


def sweeping(folder: Path, uri: str, host: str, *words: str) -> "subprocess.Popen[bytes]":
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "segsweep.cli", "run", "-m", *WORDS, f"tracking.uri={uri}", *words]
    environment = {
        **{key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"},
        "SEGSWEEP_HOST": host,
        # Hosts share nothing but the server.
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    with (folder / "err.txt").open("w") as err, (folder / "out.txt").open("w") as out:
        return subprocess.Popen(command, cwd=folder, stdout=out, stderr=err, env=environment)


def wait_until(condition, seconds: float, *processes) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        assert all(process.poll() is None for process in processes)
        time.sleep(0.1)


def training_runs(uri: str, experiment: str) -> list:
    try:
        return Store.open_to_read(uri, experiment).of_kind(names.TRAINING)
    except Exception:
        return []


def test_two_hosts_share_the_work_and_a_restarted_server_costs_nothing(server, start, tmp_path):
    words = ["training.learning_rate=0.001,0.002", "quantization=float32,int8", "tracking.experiment=shared"]
    one = start(tmp_path / "one", server.uri, "one", *words, "sweep.workers=1")
    wait_until(lambda: training_runs(server.uri, "shared"), 200, one)
    two = start(tmp_path / "two", server.uri, "two", *words, "sweep.workers=1")
    # Both have begun: a server that does not answer when a sweep begins is an error.
    wait_until(lambda: len(Store.open_to_read(server.uri, "shared").of_kind(names.SWEEP)) == 2, 200, one, two)
    server.stop()
    time.sleep(8)
    server.start()
    for process, folder in ((one, "one"), (two, "two")):
        assert process.wait(500) == 0, (tmp_path / folder / "err.txt").read_text()
    store = Store.open_to_read(server.uri, "shared")
    trainings = [run for run in store.of_kind(names.TRAINING) if run.is_finished]
    assert len(trainings) == len({run.tags[names.TRAINING_KEY] for run in trainings}) == 2
    for run in trainings:
        assert [step for step, _ in store.history(run.run_id, "train/loss")] == list(range(1, EPOCHS + 1))
    variants = [run for run in store.of_kind(names.VARIANT) if run.is_finished]
    assert len(variants) == len({run.tags[names.EVALUATION_KEY] for run in variants}) == 4
    assert not store.search("attributes.status = 'RUNNING'")
    assert set(comparison(store, find_sweep(store, None))["status"]) == {"FINISHED"}


def test_another_host_goes_on_with_the_training_of_a_dead_one(server, start, tmp_path):
    words = ["training.learning_rate=0.003", "tracking.experiment=resumed", "sweep.workers=1"]
    one = start(tmp_path / "three", server.uri, "three", *words)

    def has_checkpoint() -> bool:
        store = Store.open_to_read(server.uri, "resumed") if training_runs(server.uri, "resumed") else None
        runs = store.of_kind(names.TRAINING) if store is not None else []
        return bool(runs) and store.artifacts.size(runs[0], names.CHECKPOINT_FILE) > 0

    wait_until(has_checkpoint, 200, one)
    one.kill()
    one.wait(30)
    two = start(tmp_path / "four", server.uri, "four", *words)
    assert two.wait(500) == 0, (tmp_path / "four" / "err.txt").read_text()
    store = Store.open_to_read(server.uri, "resumed")
    training, dead = store.of_kind(names.TRAINING)
    assert (training.status, training.tags[names.HOST]) == ("FINISHED", "four")
    assert (dead.status, dead.tags[names.HOST]) == ("KILLED", "three")
    assert training.metrics["time/train_s"] > 0
    assert int(training.tags[names.RESUMED]) > 0
    assert [step for step, _ in store.history(training.run_id, "train/loss")] == list(range(1, EPOCHS + 1))
    assert not store.search("attributes.status = 'RUNNING'")
