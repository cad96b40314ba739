"""The store: what is written comes back, damage is noticed, the dead are recognised."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import mlflow
import pytest

from segsweep.errors import StoreError
from segsweep.tracking import names
from segsweep.tracking.location import locate
from segsweep.tracking.store import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    return Store.open(f"sqlite:///{tmp_path_factory.mktemp('störe 1')}/mlruns/mlflow.db", "experiment")


def start(store: Store, **tags: str) -> str:
    return store.create_run("variant", "a run", parent=None, tags=tags, params={"model.width": 8, "list": [1, 2]})


def test_what_is_written_comes_back(store):
    with store.run("variant", "name", parent="abc", tags={"t": "1"}, params={"p": None}) as run_id:
        store.log(run_id, metrics={"m": 0.5, "nan": float("nan"), "inf": float("inf")}, tags={"u": "2"})
        store.add_artifacts(run_id, {"a/b.bin": b"content"})
    record = store.get(run_id)
    assert (record.name, record.status, record.kind) == ("name", "FINISHED", "variant")
    assert record.tags["mlflow.parentRunId"] == "abc"
    assert (record.tags["t"], record.tags["u"]) == ("1", "2")
    assert record.metrics == {"m": 0.5}
    assert record.params["p"] == "None"
    assert store.artifacts.read(record, "a/b.bin") == b"content"
    assert store.artifacts.are_intact(record)


def test_mlflows_own_client_reads_it(store):
    run_id = start(store)
    store.finish(run_id, "FINISHED")
    client = mlflow.MlflowClient(store.location.uri)
    assert client.get_run(run_id).data.params == {"model.width": "8", "list": "[1, 2]"}
    experiment = client.get_experiment_by_name("experiment")
    assert experiment.artifact_location.startswith("file:///")
    assert experiment.artifact_location.endswith("mlruns/artifacts/experiment")


def test_writers_and_readers_work_side_by_side(store):
    with sqlite3.connect(store.location.database) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_run_that_raises_is_failed_with_its_reason(store):
    with (
        pytest.raises(ZeroDivisionError),
        store.run("variant", "x", parent=None, tags={}, params={}) as run_id,
    ):
        _ = 1 / 0
    record = store.get(run_id)
    assert record.status == "FAILED"
    assert record.tags[names.FAILURE] == "ZeroDivisionError: division by zero"
    assert "Traceback" in store.artifacts.path(record, names.FAILURE_FILE).read_text()


def test_a_run_that_is_interrupted_is_killed(store):
    with (
        pytest.raises(KeyboardInterrupt),
        store.run("variant", "x", parent=None, tags={}, params={}) as run_id,
    ):
        raise KeyboardInterrupt
    assert store.get(run_id).status == "KILLED"


def test_a_full_disk_leaves_no_run_that_looks_finished(store, monkeypatch):
    def full(self, run_id, folder, artifact_path=None):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mlflow.MlflowClient, "log_artifacts", full)
    with (
        pytest.raises(OSError, match="No space left"),
        store.run("variant", "x", parent=None, tags={}, params={}) as run_id,
    ):
        store.add_artifacts(run_id, {"model/model.tflite": b"abc"})
    record = store.get(run_id)
    assert record.status == "FAILED"
    assert not store.artifacts.are_intact(record)


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"contenT"), lambda path: path.unlink()])
def test_damage_is_noticed(store, damage):
    run_id = start(store)
    store.add_artifacts(run_id, {"model.bin": b"content"})
    store.finish(run_id, "FINISHED")
    record = store.get(run_id)
    assert store.artifacts.are_intact(record)
    damage(store.artifacts.path(record, "model.bin"))
    assert not store.artifacts.are_intact(record)
    assert store.artifacts.read(record, "model.bin") is None


def test_search_is_by_key_newest_first_and_without_deleted_runs(store):
    older = start(store, **{names.VARIANT_KEY: "k"})
    time.sleep(0.01)
    newer = start(store, **{names.VARIANT_KEY: "k"})
    start(store, **{names.VARIANT_KEY: "other"})
    assert [run.run_id for run in store.with_key("variant", names.VARIANT_KEY, "k")] == [newer, older]
    mlflow.MlflowClient(store.location.uri).delete_run(newer)
    assert [run.run_id for run in store.with_key("variant", names.VARIANT_KEY, "k")] == [older]


def test_history_is_not_doubled_by_writing_it_again(store):
    run_id = start(store)
    points = [("val/loss", 1.0 / step, step, 1_700_000_000_000 + step) for step in (1, 2, 3)]
    store.log_history(run_id, points[:2])
    store.log_history(run_id, points)
    assert store.history(run_id, "val/loss") == [(1, 1.0), (2, 0.5), (3, 1 / 3)]


def test_runs_of_a_dead_process_are_recognised_and_those_of_a_living_one_left_alone(store):
    script = (
        "import sys, time\nfrom segsweep.tracking.store import Store\n"
        f"store = Store.open({store.location.uri!r}, 'experiment')\n"
        "print(store.create_run('training', 'x', parent=None, tags={}, params={}), flush=True)\ntime.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    run_id = process.stdout.readline().strip()
    mine = start(store)
    elsewhere = start(store)
    store.log(elsewhere, tags={names.HOST: "another-host"})
    try:
        assert run_id not in {run.run_id for run in store.bury_the_dead()}
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert run_id in {run.run_id for run in store.bury_the_dead()}
    finally:
        process.kill()
        process.wait()
    assert store.get(run_id).status == "KILLED"
    assert store.get(mine).status == "RUNNING"
    assert store.get(elsewhere).status == "RUNNING"


def test_eight_writers_at_once(store):
    failures: list[BaseException] = []

    def write() -> None:
        try:
            for _ in range(5):
                with store.run("variant", "parallel", parent=None, tags={}, params={"a": 1}) as run_id:
                    store.log(run_id, metrics={"m": 1.0})
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert sum(run.name == "parallel" and run.is_finished for run in store.of_kind("variant")) == 40


def test_a_store_of_a_newer_schema_is_refused(tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    Store.open(uri, "x")
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    script = f"from segsweep.tracking.store import Store\nStore.open({uri!r}, 'x')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "StoreError" in done.stderr
    assert "install the MLflow that made it" in done.stderr


def test_a_deleted_experiment_is_refused(tmp_path):
    store = Store.open(f"sqlite:///{tmp_path}/mlflow.db", "gone")
    client = mlflow.MlflowClient(store.location.uri)
    client.delete_experiment(client.get_experiment_by_name("gone").experiment_id)
    with pytest.raises(StoreError, match="deleted"):
        Store.open(store.location.uri, "gone")


def test_reading_makes_no_store(tmp_path):
    with pytest.raises(StoreError, match="no such store"):
        Store.open_to_read(f"sqlite:///{tmp_path}/none.db", "x")
    assert not (tmp_path / "none.db").exists()


def test_an_experiment_that_is_not_there_is_named_with_those_that_are(store):
    with pytest.raises(StoreError, match=r"there are: .*experiment"):
        Store.open_to_read(store.location.uri, "nothing")


@pytest.mark.parametrize("uri", ["mlruns", "file:///tmp/x", "sqlite:///", "sqlite:///:memory:", "ftp://host/x"])
def test_uris_that_are_no_store(uri):
    with pytest.raises(StoreError):
        locate(uri)


@pytest.mark.timeout(60)
def test_a_server_that_does_not_answer():
    with pytest.raises(StoreError, match=r"127\.0\.0\.1"):
        Store.open("http://127.0.0.1:9", "x")


def test_a_folder_that_cannot_be_written(tmp_path):
    # Below a file nobody can write, root included.
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="file/mlruns: cannot be made"):
        Store.open(f"sqlite:///{tmp_path}/file/mlruns/mlflow.db", "x")


def test_a_folder_without_the_right_to_write(tmp_path, monkeypatch):
    # Root has every right, so the answer is given in the system's place.
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    with pytest.raises(StoreError, match=r"x\.db: cannot be written"):
        Store.open(f"sqlite:///{tmp_path}/x.db", "x")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("water", "test/iou_water"),
        ("Straße 2", "test/iou_Straße 2"),
        ("a&b%c<d>(e),'f\"", "test/iou_a_b_c_d__e___f_"),
        ("水", "test/iou_水"),
        ("crop/wheat: winter", "test/iou_crop/wheat: winter"),
        ("../up//there", "test/iou_.._up__there"),
    ],
)
def test_class_names_become_names_that_mlflow_takes(store, name, metric):
    assert names.class_metrics("test/iou", [name]) == [metric]
    run_id = start(store)
    store.log(run_id, metrics={metric: 0.5})
    assert store.get(run_id).metrics == {metric: 0.5}


def test_class_names_that_become_equal_keep_a_metric_each():
    found = names.class_metrics("val/iou", ["a&b", "a%b", "c"])
    assert found == ["val/iou_a_b", "val/iou_a_b_1", "val/iou_c"]


def test_a_moved_store_takes_new_runs_where_it_is(tmp_path):
    old = tmp_path / "old"
    before = Store.open(f"sqlite:///{old}/mlflow.db", "x")
    run_id = start(before)
    before.add_artifacts(run_id, {"a.bin": b"abc"})
    before.finish(run_id, "FINISHED")
    script = (
        "from segsweep.tracking.store import Store\n"
        f"store = Store.open('sqlite:///{tmp_path}/new/mlflow.db', 'x')\n"
        "run_id = store.create_run('variant', 'y', parent=None, tags={}, params={})\n"
        "store.add_artifacts(run_id, {'b.bin': b'def'})\n"
        f"assert store.artifacts.are_intact(store.get('{run_id}')), 'the old run'\n"
        "print(store.artifacts.path(store.get(run_id), 'b.bin'))\n"
    )
    old.rename(tmp_path / "new")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "new" / "artifacts") in done.stdout
    assert not old.exists()


def test_a_reopened_run_forgets_why_it_ended(store):
    run_id = start(store)
    store.fail(run_id, ValueError("x"))
    store.reopen_run(run_id, parent="p", tags={names.SWEEP_ID: "new"})
    record = store.get(run_id)
    assert (record.status, record.tags[names.SWEEP_ID], record.tags[names.PARENT_RUN]) == ("RUNNING", "new", "p")
    assert names.FAILURE not in record.tags


def test_passwords_are_not_shown():
    location = locate("postgresql://user:secret@127.0.0.1/runs")
    assert "secret" in location.uri
    assert "secret" not in location.shown


@pytest.mark.parametrize("others", [0, 70])
def test_runs_of_several_keys_are_found_in_small_and_in_larger_stores(tmp_path, others):
    store = Store.open(f"sqlite:///{tmp_path}/mlflow.db", "e")
    wanted = {f"key{number}": start(store, **{names.EVALUATION_KEY: f"key{number}"}) for number in range(2)}
    for number in range(others):
        start(store, **{names.EVALUATION_KEY: f"other{number}"})
    newer = start(store, **{names.EVALUATION_KEY: "key0"})
    found = store.with_keys(names.VARIANT, names.EVALUATION_KEY, {*wanted, "absent"})
    assert {run.run_id for run in found} == {*wanted.values(), newer}
    assert next(run.run_id for run in found if run.tags[names.EVALUATION_KEY] == "key0") == newer
