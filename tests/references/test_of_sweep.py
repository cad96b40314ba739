"""The references of a sweep: each data once, listed on its run."""

import json
import re
from dataclasses import replace

import pytest
from small_jobs import dataset, job, split

from segsweep.config.data_schema import NpzConfig
from segsweep.references import of_sweep
from segsweep.references.of_sweep import add_references
from segsweep.references.runs import reference_keys
from segsweep.tracking import names
from segsweep.tracking.store import LONGEST_TAG, Store

DATA = {"a.npz": dataset(), "b.npz": dataset(test=split(5, 3))}


@pytest.fixture(scope="module")
def database(tmp_path_factory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture
def store(database, request) -> Store:
    return Store.open(database, re.sub(r"\W", " ", request.node.name))


def on(file: str, seed: int = 0):
    return replace(job(seed=seed), data=NpzConfig(train=file))


@pytest.fixture
def loaded(monkeypatch) -> list[str]:
    """Which files were loaded."""
    seen: list[str] = []
    monkeypatch.setattr(of_sweep, "load_dataset", lambda data: seen.append(data.train) or DATA[data.train])
    return seen


def test_each_data_is_looked_at_once_and_listed(store, loaded):
    sweep = store.create_run(names.SWEEP, "a sweep", parent=None, tags={}, params={})
    add_references(store, sweep, [on("a.npz"), on("b.npz"), on("a.npz", seed=1)], [])
    assert loaded == ["a.npz", "b.npz"]
    keys = [*reference_keys(DATA["a.npz"]).values(), *reference_keys(DATA["b.npz"]).values()]
    assert json.loads(store.get(sweep).tags[names.REFERENCES]) == keys
    found = store.of_kind(names.REFERENCE)
    assert sorted(run.tags[names.REFERENCE_KEY] for run in found) == sorted(keys)
    assert {run.tags[names.PARENT_RUN] for run in found} == {sweep}


def test_the_list_stays_one_that_can_be_read():
    keys = [f"{number:032d}" for number in range(500)]
    text = of_sweep._listed(keys)
    assert len(text) <= LONGEST_TAG
    assert json.loads(text) == keys[: len(json.loads(text))]
    assert len(json.loads(text)) > 200
