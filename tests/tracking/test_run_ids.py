"""Runs by what people type of their ids, and which are refused."""

import pytest

from segsweep.errors import StoreError
from segsweep.tracking import names
from segsweep.tracking.run_ids import find_run
from segsweep.tracking.store import Store


def test_a_run_is_found_by_the_beginning_of_its_id_and_an_ensemble_names_its_members(tmp_path):
    store = Store.open(f"sqlite:///{tmp_path}/mlruns/mlflow.db", "experiment")
    with store.run(names.VARIANT, "one", parent=None, tags={}, params={}) as single:
        pass
    tags = {names.ENSEMBLE_MEMBERS: '["first", "second"]'}
    with store.run(names.VARIANT, "both", parent=None, tags=tags, params={}) as ensemble:
        pass
    assert find_run(store, single[:12], (names.VARIANT,), "variant").run_id == single
    with pytest.raises(StoreError, match="is an ensemble, which has no file; give one of first, second"):
        find_run(store, ensemble, (names.VARIANT,), "variant")
    with pytest.raises(StoreError, match="no training in experiment has an id that begins so"):
        find_run(store, single, (names.TRAINING,), "training")
