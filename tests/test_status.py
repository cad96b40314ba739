"""What a sweep is doing, asked from elsewhere."""

import dataclasses
import json

import pytest

from segsweep.cli import main
from segsweep.sweep.members import members_file
from segsweep.tracking import names
from segsweep.tracking.records import Member
from segsweep.tracking.store import Store


@pytest.fixture
def store(workplace) -> Store:
    return Store.open("sqlite:///mlruns/mlflow.db", "segsweep")


def sweep(store: Store, keys: str) -> str:
    sweep_id = store.create_run(names.SWEEP, "a sweep", parent=None, tags={}, params={})
    store.log(sweep_id, tags={names.SWEEP_ID: sweep_id})
    members = [Member(key, f"t{key}", "float", True, {}) for key in keys]
    store.add_artifacts(sweep_id, {names.MEMBERS_FILE: members_file(members)})
    return sweep_id


def variant(store: Store, sweep_id: str, key: str, status: str | None, **tags: str) -> str:
    tags = {names.SWEEP_ID: sweep_id, names.EVALUATION_KEY: key, **tags}
    run_id = store.create_run(names.VARIANT, f"variant {key}", parent=None, tags=tags, params={})
    if status is not None:
        store.finish(run_id, status)
    return run_id


def test_how_much_is_done_and_what_runs(store, capsys):
    sweep_id = sweep(store, "abcd")
    variant(store, "an earlier one", "a", "FINISHED")
    variant(store, sweep_id, "b", "FINISHED")
    variant(store, sweep_id, "c", "FAILED", **{names.FAILURE: "ValueError: no"})
    training = store.create_run(
        names.TRAINING, "net float", parent=None, tags={names.SWEEP_ID: sweep_id}, params={"training.epochs": 30}
    )
    store.log_history(training, [("train/loss", 0.5, 1, 1), ("train/loss", 0.25, 2, 2)])
    assert main(["status"]) == 0
    out = capsys.readouterr().out
    assert "2 of 4 variants done (1 found), 1 running, 1 failed, 2 left" in out
    assert "net float  epoch 2/30, loss 0.250" in out
    assert "variant c  ValueError: no" in out


def test_a_dead_sweep_is_called_dead(store, capsys):
    store.log(sweep(store, "a"), tags={names.PID: "999999999"})
    main(["status"])
    assert "ITS PROCESS IS GONE" in capsys.readouterr().out


def test_when_nothing_runs_it_says_how_the_last_one_ended(store, capsys):
    assert main(["status"]) == 0
    assert "no sweep in the experiment segsweep" in capsys.readouterr().out
    store.kill(sweep(store, "a"), "stopped (KeyboardInterrupt)")
    assert main(["status"]) == 0
    assert "ended as KILLED" in capsys.readouterr().out


def test_members_of_older_sweeps_can_be_read():
    member = Member("a", "t", "float", True, {"model.width": 8})
    assert json.loads(members_file([member]))["members"] == [dataclasses.asdict(member)]
