"""The comparison of a sweep, from stores as they are met: complete, half done, failed, old, tampered with."""

import json
import re

import mlflow
import pytest
from made_sweeps import Row, make_run, make_sweep, scored

from segsweep.errors import StoreError
from segsweep.report.comparison import COLUMNS, compare, comparison, find_sweep
from segsweep.report.pareto import pareto_optimal
from segsweep.report.reasons import reasons_of
from segsweep.tracking import names
from segsweep.tracking.store import Store


@pytest.fixture(scope="module")
def database(tmp_path_factory) -> str:
    """One for all: making the tables takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture
def store(database, request) -> Store:
    return Store.open(database, re.sub(r"\W", " ", request.node.name))


def of_last(store: Store):
    return comparison(store, find_sweep(store, None))


def test_a_complete_sweep_needs_no_remarks(store):
    rows = [
        Row("int8", metrics=scored(0.68, -0.02, 0.01, **{names.SIZE_BYTES: 250})),
        Row("float32", metrics=scored(0.7)),
        Row("int8", "finetune", metrics=scored(0.71, 0.01, 0.02)),
        Row("qat_int8", "qat", metrics=scored(0.7, 0.0, 0.01)),
    ]
    _, (int8, *_) = make_sweep(store, rows)
    table = of_last(store)
    assert tuple(table.columns) == COLUMNS
    assert list(table["quantization"]) == ["float32", "int8", "qat_int8", "int8"]
    assert list(table["training_kind"]) == ["float", "float", "qat", "finetune"]
    assert table.at[1, "size_ratio"] == 0.25
    assert table["size_bytes"].dtype == int
    assert table.attrs["remarks"] == []
    assert table.attrs["delta_mean_iou"][int8] == pytest.approx((-0.03, -0.01))
    assert table.attrs["delta_accuracy"] == {}
    assert reasons_of(table) == [""] * 4


def test_by_which_rules_ranges_were_found_has_a_column(store):
    _, (_, int8) = make_sweep(store, [Row(metrics=scored(0.7)), Row("int8", metrics=scored(0.69, -0.02, 0.01))])
    assert "range" not in of_last(store)
    store.log(int8, tags={names.RANGES: "average, input percentile"})
    table = of_last(store)
    assert tuple(table.columns) == (*COLUMNS[:-5], "range", *COLUMNS[-5:])
    assert list(table["range"].fillna("")) == ["", "average, input percentile"]


def test_attributes_are_not_copied_with_every_row_that_is_looked_at(store):
    make_sweep(store, [Row(metrics=scored(0.7, 0.0, 0.1)), Row("int8", metrics=scored(0.7, 0.0, 0.1))])
    table = of_last(store)
    assert table.loc[[1]].attrs["delta_mean_iou"] is table.attrs["delta_mean_iou"]


def test_no_sweep_says_what_to_do(store):
    with pytest.raises(StoreError, match=r"no sweep in the experiment .*; run one"):
        find_sweep(store, None)


def test_an_unknown_sweep_is_told_which_there_is(store):
    sweep_id, _ = make_sweep(store, [Row()])
    with pytest.raises(StoreError, match=f"--sweep abc: no sweep with that id .* the last is {sweep_id}"):
        find_sweep(store, "abc")


@pytest.mark.parametrize("status", ["KILLED", "FAILED"])
def test_a_sweep_that_ended_before_it_listed_anything_is_empty(store, status):
    sweep_id = store.create_run(names.SWEEP, "a sweep", parent=None, tags={names.FAILURE: "disk full"}, params={})
    store.finish(sweep_id, status)
    table = of_last(store)
    assert len(table) == 0
    assert tuple(table.columns) == COLUMNS
    assert table.attrs["remarks"] == [
        f"The sweep has no rows: it ended as {status} (disk full) before it had listed any."
    ]


def test_a_sweep_that_begins_has_no_rows_yet(store):
    store.create_run(names.SWEEP, "a sweep", parent=None, tags={}, params={})
    assert of_last(store).attrs["remarks"] == ["The sweep is still running: it has listed no rows yet."]


def test_a_list_that_was_lost_is_an_error(store):
    sweep_id, _ = make_sweep(store, [Row()])
    store.artifacts.path(store.get(sweep_id), names.MEMBERS_FILE).write_bytes(b"[]")
    with pytest.raises(StoreError, match=r"members\.json is missing or damaged"):
        of_last(store)


def test_a_running_sweep_says_how_much_is_done(store):
    rows = [
        Row(metrics=scored(0.7), listed=None),
        Row("int8", status="RUNNING", listed=None, metrics={names.SIZE_BYTES: 5}),
        Row("float16", status=None, listed=None),
        Row("int16x8", status="FAILED", listed=None, reason="ValueError: no"),
    ]
    sweep_id, _ = make_sweep(store, rows, status="RUNNING")
    table = of_last(store)
    assert list(table["status"]) == ["FINISHED", "PENDING", "RUNNING", "FAILED"]
    assert table["mean_iou"].notna().sum() == 1
    assert reasons_of(table)[3] == "ValueError: no"
    assert table.attrs["remarks"] == ["The sweep is still running: 1 of 4 rows are done."]
    store.log(sweep_id, tags={names.PID: "999999999"})
    assert of_last(store).attrs["remarks"] == [
        "The sweep has not ended, but its process is gone: 1 of 4 rows are done. The same command goes on."
    ]
    store.kill(sweep_id, "stopped (KeyboardInterrupt)")
    assert "ended as KILLED before all was done: 1 of 4 rows are done" in of_last(store).attrs["remarks"][0]


def test_the_last_look_of_a_sweep_at_itself_needs_no_remark(store):
    make_sweep(store, [Row(metrics=scored(0.7))], status="RUNNING")
    assert of_last(store).attrs["remarks"] == []


def test_only_failures_have_their_reasons(store):
    rows = [
        Row(status="FAILED", listed="FAILED", reason="NonFiniteLossError: loss is nan"),
        Row("int8", status=None, listed="FAILED", reason="training net failed: NonFiniteLossError: loss is nan"),
        Row("qat_int8", "qat", status=None, listed="SKIPPED", reason="it cannot work"),
    ]
    make_sweep(store, rows)
    table = of_last(store)
    assert list(table["status"]) == ["FAILED", "FAILED", "SKIPPED"]
    assert reasons_of(table) == [rows[0].reason, rows[1].reason, rows[2].reason]
    assert reasons_of(table[::-1].reset_index(drop=True)) == [rows[2].reason, rows[1].reason, rows[0].reason]
    assert table[["accuracy", "mean_iou", "size_bytes"]].isna().all(axis=None)
    assert table.attrs["remarks"] == ["No row of the sweep was made; why stands with each."]


def test_of_a_sweep_whose_runs_were_all_deleted_nobody_says_that_nothing_was_made(store):
    _, runs = make_sweep(store, [Row(metrics=scored(0.7)), Row("int8", metrics=scored(0.69))])
    for run in runs:
        mlflow.MlflowClient(store.location.uri).delete_run(run)
    assert of_last(store).attrs["remarks"] == [
        "The runs of 2 rows were deleted in MLflow; the same command makes what is missing again."
    ]


def test_a_run_that_somebody_deleted_is_said_to_be(store):
    _, (kept, deleted) = make_sweep(store, [Row(metrics=scored(0.7)), Row("int8", metrics=scored(0.69))])
    make_run(store, Row("int8", status="FAILED", reason="an older failure"))
    mlflow.MlflowClient(store.location.uri).delete_run(deleted)
    table = of_last(store)
    assert list(table["status"]) == ["FINISHED", "DELETED"]
    assert list(table["run_id"]) == [kept, deleted]
    assert reasons_of(table)[1] == "its run was deleted in MLflow; the same command makes it again"
    assert table.attrs["remarks"] == [
        "The run of 1 row was deleted in MLflow; the same command makes what is missing again."
    ]
    again = make_run(store, Row("int8", metrics=scored(0.69)), "a later sweep")
    table = of_last(store)
    assert list(table["run_id"]) == [kept, again]
    assert table.attrs["remarks"] == []


def test_rows_of_different_data_are_not_compared(store):
    rows = [
        Row(data="npz", metrics=scored(0.9), test="easy"),
        Row("int8", data="npz", metrics=scored(0.8, **{names.SIZE_BYTES: 500}), test="easy"),
        Row(data="voc", metrics=scored(0.5), test="hard"),
        Row("int8", data="voc", metrics=scored(0.6), test="hard"),
    ]
    make_sweep(store, rows, **{names.OBJECTIVES: "mean_iou,size_bytes"})
    table = of_last(store)
    assert "2 different sets of test images (2 rows, 2 rows)" in table.attrs["remarks"][0]
    # By hand: in each data for itself; of all together the last one would be beaten by both of the first.
    assert list(pareto_optimal(table, ["mean_iou", "size_bytes"])) == [True, True, False, True]
    assert table.attrs["pareto_optimal"] == [table.at[0, "run_id"], table.at[1, "run_id"], table.at[3, "run_id"]]


def test_images_that_a_model_is_shown_otherwise_are_the_same_images(store):
    """A histogram changes the fingerprint of a split, but neither its images nor their truth."""
    rows = [
        Row(metrics=scored(0.7), settings={"data.histogram": "none"}, test="x"),
        Row(metrics=scored(0.8), settings={"data.histogram": "equalize"}, test="y"),
    ]
    make_sweep(store, rows)
    table = of_last(store)
    assert table.attrs["remarks"] == []
    assert list(table["data.histogram"]) == ["none", "equalize"]
    assert list(pareto_optimal(table, ["mean_iou", "size_bytes"])) == [False, True]


def test_runs_of_an_older_version_have_empty_cells(store):
    bare = {names.DATA_FINGERPRINT: "not json", names.TRAINING_KIND: ""}
    rows = [Row(metrics={names.ACCURACY: 0.5}, tags=bare), Row("int8", metrics={}, tags=bare)]
    sweep_id, _ = make_sweep(store, rows)
    content = json.loads(store.artifacts.read(store.get(sweep_id), names.MEMBERS_FILE))
    for entry in content["members"]:
        del entry["reason"], entry["settings"]["training.learning_rate"]
        entry["settings"]["quantization.learning_rate"] = 0.001
        entry["what a newer version lists"] = 1
    store.add_artifacts(sweep_id, {names.MEMBERS_FILE: json.dumps(content).encode()})
    table = of_last(store)
    assert table["accuracy"].notna().sum() == 1
    assert table[["learning_rate", "mean_iou", "delta_mean_iou", "size_bytes", "size_ratio"]].isna().all(axis=None)
    assert len(set(table.attrs["test_data"].values())) == 1


def test_the_store_is_asked_once(store, monkeypatch):
    rows = [Row(name, width=width, metrics=scored(0.7)) for width in (4, 8, 16) for name in ("float32", "int8")]
    make_sweep(store, rows)
    sweep = find_sweep(store, None)
    asked = []
    real = Store.with_keys
    monkeypatch.setattr(Store, "with_keys", lambda self, *given: asked.append(given) or real(self, *given))
    for name in ("search", "get", "with_key"):
        monkeypatch.setattr(Store, name, lambda self, *given, name=name: pytest.fail(f"{name}{given}"))
    found = compare(store, sweep)
    assert [kind for kind, *_ in asked] == ["variant", "training"]
    assert set(found.runs) == set(found.table["run_id"])
