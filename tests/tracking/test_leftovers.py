"""What may go and what must stay; runs stay in any case."""

import pytest

from segsweep.cli import main
from segsweep.tracking import names
from segsweep.tracking.leftovers import leftovers
from segsweep.tracking.store import Store


@pytest.fixture
def store(workplace) -> Store:
    return Store.open("sqlite:///mlruns/mlflow.db", "segsweep")


def add(store: Store, kind: str, key: str, status: str, content: bytes = b"x" * 100) -> str:
    key_name = names.TRAINING_KEY if kind == names.TRAINING else names.EVALUATION_KEY
    path = names.WEIGHTS_FILE if kind == names.TRAINING else names.MODEL_FILE
    run_id = store.create_run(kind, f"{key} {status}", parent=None, tags={key_name: key}, params={})
    store.add_artifacts(run_id, {path: content})
    if status != "RUNNING":
        store.finish(run_id, status)
    return run_id


def checkpoint(store: Store, key: str):
    path = store.location.folder / "checkpoints" / f"{key}.npz"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"c" * 10)
    return path


def test_checkpoints_of_done_trainings_go_and_those_of_interrupted_ones_stay(store):
    add(store, names.TRAINING, "done", "FINISHED")
    add(store, names.TRAINING, "stopped", "KILLED", b"")
    add(store, names.TRAINING, "going", "RUNNING")
    other = Store.open(store.location.uri, "another experiment")
    add(other, names.TRAINING, "elsewhere", "KILLED", b"")
    add(other, names.TRAINING, "again", "RUNNING", b"")
    add(store, names.TRAINING, "again", "FINISHED")
    stale = checkpoint(store, "done")
    kept = [checkpoint(store, key) for key in ("stopped", "going", "elsewhere", "again", "unknown")]
    for each in leftovers(store):
        each.remove()
    assert not stale.exists()
    assert all(path.exists() for path in kept)


def event_files(store: Store, key: str):
    path = store.location.folder / names.TENSORBOARD_FOLDER / key / "events.out"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"e" * 30)
    return path


def test_event_files_go_where_no_training_will_go_on_with_them(store):
    for key, statuses in {
        "done": ["FINISHED"],
        "failed": ["FAILED", "KILLED"],
        "again": ["FINISHED", "RUNNING"],
        "going": ["FAILED", "RUNNING"],
        "stopped": ["KILLED"],
    }.items():
        for status in statuses:
            add(store, names.TRAINING, key, status, b"")
    shared = add(store, names.TRAINING, "shared", "KILLED", b"")
    store.upload_quietly(shared, names.CHECKPOINT_FILE, b"state")
    checkpoint(store, "stopped")
    stale = [event_files(store, key) for key in ("done", "failed")]
    kept = [event_files(store, key) for key in ("again", "going", "stopped", "shared", "unknown")]
    found = [each for each in leftovers(store) if each.what.startswith("event files")]
    assert [(each.what, each.size) for each in found] == [
        ("event files of done FINISHED", 30),
        ("event files of failed KILLED", 30),
    ]
    for each in found:
        each.remove()
    assert not any(path.parent.exists() for path in stale)
    assert all(path.exists() for path in kept)


def test_artifacts_of_failed_and_superseded_runs_go_and_the_newest_stays(store):
    old = add(store, names.VARIANT, "a", "FINISHED")
    failed = add(store, names.VARIANT, "b", "FAILED")
    new = add(store, names.VARIANT, "a", "FINISHED")
    found = leftovers(store)
    assert sum(each.size for each in found) == 200
    for each in found:
        each.remove()
    assert store.artifacts.read(store.get(new), names.MODEL_FILE) is not None
    for run_id in (old, failed):
        assert store.artifacts.read(store.get(run_id), names.MODEL_FILE) is None
    assert len(store.of_kind(names.VARIANT)) == 3
    assert leftovers(store) == []


def test_an_old_run_stays_whole_while_the_newer_one_is_damaged(store):
    old = add(store, names.VARIANT, "a", "FINISHED")
    new = add(store, names.VARIANT, "a", "FINISHED")
    store.artifacts.path(store.get(new), names.MODEL_FILE).write_bytes(b"damaged")
    assert leftovers(store) == []
    assert store.artifacts.read(store.get(old), names.MODEL_FILE) is not None


def test_gc_removes_only_with_yes(store, capsys):
    add(store, names.VARIANT, "b", "FAILED", b"x" * 3_000_000)
    assert main(["gc"]) == 0
    assert "2.9 MiB could be freed" in capsys.readouterr().out
    assert main(["gc", "--yes"]) == 0
    assert "2.9 MiB freed" in capsys.readouterr().out
    assert main(["gc"]) == 0
    assert capsys.readouterr().out == "nothing to free\n"
