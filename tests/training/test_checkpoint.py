from dataclasses import fields, replace

import numpy as np
import pytest

from segsweep.training import checkpoint
from segsweep.training.checkpoint import Checkpoint, load, save

STATE = Checkpoint(
    training_key="abc",
    epoch=3,
    weights=(np.arange(6, dtype=np.float32).reshape(2, 3), np.float32([np.nan, 1e-40])),
    optimizer=(np.int64(7), np.ones((1, 1), np.float64), np.zeros((0, 2), np.float32)),
    best_weights=tuple(np.float32([index]) for index in range(12)),
    best_value=0.1 + 0.2,
    best_epoch=2,
    epochs_without_improvement=1,
    history='[{"epoch": 1, "é": NaN}]',
    seconds=1.5,
)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "folder" / "state.npz"
    save(path, STATE)
    return path


def test_comes_back_bit_for_bit(path):
    found = load(path, "abc")
    for field in fields(Checkpoint):
        one, two = getattr(STATE, field.name), getattr(found, field.name)
        if isinstance(one, tuple):
            assert [np.asarray(a).tobytes() for a in one] == [a.tobytes() for a in two]
            assert [(np.asarray(a).dtype, np.shape(a)) for a in one] == [(a.dtype, a.shape) for a in two]
        else:
            assert one == two
            assert type(one) is type(two)


def test_of_another_training(path):
    assert load(path, "abd") is None


def test_no_file(tmp_path):
    assert load(tmp_path / "none.npz", "abc") is None


def test_truncated_anywhere(path):
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        assert load(path, "abc") is None


def test_any_changed_byte_of_the_weights(path):
    whole = path.read_bytes()
    position = whole.index(STATE.weights[0].tobytes())
    path.write_bytes(whole[: position + 5] + b"\x01" + whole[position + 6 :])
    assert load(path, "abc") is None


def test_contents_that_do_not_match_the_digest(path):
    with np.load(path, allow_pickle=False) as file:
        members = dict(file)
    np.savez(path, **members)
    assert load(path, "abc") is not None
    np.savez(path, **{**members, "epoch": np.asarray(4)})
    assert load(path, "abc") is None


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x05\x06" + bytes(18), b"\x93NUMPY"])
def test_foreign_file(path, content):
    path.write_bytes(content)
    assert load(path, "abc") is None


def test_foreign_arrays(path):
    np.savez(path, X=np.zeros(3))
    assert load(path, "abc") is None
    np.save(path.with_suffix(".npy"), np.zeros(3))
    assert load(path.with_suffix(".npy"), "abc") is None


def test_failure_while_writing_leaves_the_old_file(path, monkeypatch):
    def write_half(file, **members):
        file.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(checkpoint.np, "savez", write_half)
    with pytest.raises(OSError, match="no space"):
        save(path, replace(STATE, epoch=4))
    assert load(path, "abc").epoch == 3


def test_replaces_what_is_there(path):
    save(path, replace(STATE, epoch=4))
    assert load(path, "abc").epoch == 4
    assert [file.name for file in path.parent.iterdir()] == ["state.npz"]
