"""What is said of a store of an older version."""

import pytest

from segsweep.sweep.older_store import older_store_remarks
from segsweep.tracking import names
from segsweep.tracking.store import Store


@pytest.mark.parametrize(
    ("versions", "said"),
    [([], 0), (["0.1.0"], 1), (["0.1.0", "0.1.9"], 1), (["0.1.0", "0.2.0"], 0), (["1.0.0"], 0), (["?"], 1)],
)
def test_the_first_sweep_over_an_older_store_is_told_once(tmp_path, versions, said):
    store = Store.open(f"sqlite:///{tmp_path}/mlflow.db", "segsweep")
    for version in versions:
        store.create_run(names.SWEEP, "a sweep", parent=None, tags={names.VERSION: version}, params={})
    assert len(older_store_remarks(store)) == said


def test_without_a_store_nothing_is_said():
    assert older_store_remarks(None) == []
