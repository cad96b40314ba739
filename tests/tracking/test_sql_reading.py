"""Runs read from the tables are those that MLflow's own search finds."""

import mlflow
import pytest

from segsweep.tracking import names
from segsweep.tracking.run_reader import RunReader
from segsweep.tracking.sql_reading import records_with_keys
from segsweep.tracking.store import Store


@pytest.fixture
def store(tmp_path) -> Store:
    return Store.open(f"sqlite:///{tmp_path}/mlflow.db", "experiment")


def variant(store: Store, key: str, status: str | None = "FINISHED", kind: str = names.VARIANT) -> str:
    run_id = store.create_run(
        kind, f"run <{key}>", parent="p", tags={names.EVALUATION_KEY: key}, params={"model.width": 8, "none": None}
    )
    store.log(run_id, metrics={"test/iou_Wäld ö": 0.25, "test/x": 1.0})
    store.log(run_id, metrics={"test/x": 0.5})
    if status is not None:
        store.finish(run_id, status)
    return run_id


def test_equal_to_what_the_search_finds(store):
    for key, status in (("a", "FINISHED"), ("b", "FAILED"), ("a", None), ("c", "FINISHED"), ("it's", "KILLED")):
        variant(store, key, status)
    variant(store, "a", kind=names.TRAINING)
    deleted = variant(store, "c")
    client = mlflow.MlflowClient(store.location.uri)
    client.delete_run(deleted)
    other = Store.open(store.location.uri, "another experiment")
    variant(other, "a")
    wanted = {"a", "b", "it's", "unknown"}
    expected = [run for run in store.of_kind(names.VARIANT) if run.tags[names.EVALUATION_KEY] in wanted]
    assert len(expected) == 4
    assert expected[0].metrics["test/x"] == 0.5
    found = store.with_keys(names.VARIANT, names.EVALUATION_KEY, wanted)
    assert sorted(found, key=lambda run: run.run_id) == sorted(expected, key=lambda run: run.run_id)
    assert [run.started_ms for run in found] == sorted((run.started_ms for run in found), reverse=True)


def test_many_keys_are_asked_for_in_parts(store, monkeypatch):
    monkeypatch.setattr("segsweep.tracking.sql_reading._AT_ONCE", 2)
    for key in "abcde":
        variant(store, key)
    found = store.with_keys(names.VARIANT, names.EVALUATION_KEY, set("abcde"))
    assert sorted(run.tags[names.EVALUATION_KEY] for run in found) == list("abcde")
    assert all(run.metrics["test/x"] == 0.5 and run.params["model.width"] == "8" for run in found)


def test_what_has_no_tables_is_left_to_the_search(store):
    variant(store, "a")

    class Client:
        """As that of a server: it searches and has no database at hand."""

        def search_runs(self, *arguments, **options):
            return mlflow.MlflowClient(store.location.uri).search_runs(*arguments, **options)

    client = Client()
    assert records_with_keys(client, store._experiment_id, names.VARIANT, names.EVALUATION_KEY, {"a"}) is None
    assert len(RunReader(client, store._experiment_id).with_keys(names.VARIANT, names.EVALUATION_KEY, {"a"})) == 1
