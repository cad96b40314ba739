"""What a comparison says of float trainings that ended too early."""

import pytest
from made_sweeps import Row, make_sweep, scored

from segsweep.report.comparison import comparison, find_sweep
from segsweep.tracking import names
from segsweep.tracking.store import Store


@pytest.fixture
def store(workplace) -> Store:
    return Store.open("sqlite:///mlruns/mlflow.db", "segsweep")


def train(store: Store, row: Row, name: str, rise: float | None, status: str = "FINISHED") -> None:
    tags = {names.TRAINING_KEY: row.training, names.TRAINING_KIND: row.kind}
    run_id = store.create_run(names.TRAINING, name, parent=None, tags=tags, params={})
    store.log(run_id, metrics={names.BEST_EPOCH: 30, **({names.LATE_RISE: rise} if rise is not None else {})})
    store.finish(run_id, status)


def test_trainings_whose_validation_still_rose_are_named(store):
    rows = [Row(width=width, metrics=scored(0.7)) for width in (4, 8, 16)]
    tuned = Row("qat_int8", "qat", metrics=scored(0.7))
    make_sweep(store, [*rows, tuned])
    train(store, rows[0], "net w4", 0.021)
    train(store, rows[1], "net w8", None)
    # The newest finished run of a training counts, whatever came to nothing later.
    train(store, rows[2], "net w16", 0.05)
    train(store, rows[2], "net w16", 0.012)
    train(store, rows[2], "net w16", None, status="FAILED")
    train(store, tuned, "net w8 qat", 0.04)
    (remark,) = comparison(store, find_sweep(store, None)).attrs["remarks"]
    assert "2 of 3 float trainings (points of mean IoU; net w16: +1.2, net w4: +2.1)" in remark
    assert "training.epochs" in remark


def test_nothing_is_said_where_all_are_done(store):
    row = Row(metrics=scored(0.7))
    make_sweep(store, [row])
    train(store, row, "net", None)
    assert comparison(store, find_sweep(store, None)).attrs["remarks"] == []
