"""The state of an unfinished training in one file. Imports no TensorFlow."""

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

DIGEST = "sha256"
SCALARS = ("training_key", "epoch", "best_value", "best_epoch", "epochs_without_improvement", "history", "seconds")
ARRAYS = ("weights", "optimizer", "best_weights")
LAYOUT = "_layout"
"""Ends the name of a member with data type and shape of the arrays that lie in another, end to end; JSON."""


@dataclass(frozen=True)
class Checkpoint:
    """All that a training needs to go on after an epoch as if it had not been interrupted."""

    training_key: str
    epoch: int
    """The last epoch that is done, from 1."""
    weights: tuple[np.ndarray, ...]
    """Of the model, in the order of `model.weights`."""
    optimizer: tuple[np.ndarray, ...]
    """All variables of the optimizer, and after them those of the average of the weights where there is one."""
    best_weights: tuple[np.ndarray, ...]
    best_value: float
    """The monitored metric in the best epoch."""
    best_epoch: int
    epochs_without_improvement: int
    history: str
    """JSON of the epochs so far."""
    seconds: float
    """Wall time so far."""


def save(path: Path, state: Checkpoint) -> None:
    """Write `state` to `path` (.npz): at any moment the file is the old one or the new one, whole."""
    members = {name: np.asarray(getattr(state, name)) for name in SCALARS}
    for name in ARRAYS:
        members |= _packed(name, getattr(state, name))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **members, **{DIGEST: np.asarray(_digest(members))})
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def load(path: Path, training_key: str) -> Checkpoint | None:
    """The state in `path`; None where there is none, it is damaged, or it is not of the training `training_key`."""
    try:
        with np.load(path, allow_pickle=False) as file:
            members = {name: file[name] for name in file.files}
        if str(members.pop(DIGEST)) != _digest(members) or str(members["training_key"]) != training_key:
            return None
        values: dict[str, Any] = {name: members[name].item() for name in SCALARS}
        values |= {name: _unpacked(name, members) for name in ARRAYS}
    except (OSError, EOFError, KeyError, ValueError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error):
        return None
    return Checkpoint(**values)


def _packed(name: str, arrays: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    # One member for all: the hundreds of arrays of a small model cost more as members than their bytes do.
    layout = [(array.dtype.str, array.shape) for array in arrays]
    data = np.frombuffer(b"".join(array.tobytes() for array in arrays), np.uint8)
    return {name: data, f"{name}{LAYOUT}": np.asarray(json.dumps(layout))}


def _unpacked(name: str, members: Mapping[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    data, offset, arrays = members[name], 0, []
    for dtype, shape in json.loads(members[f"{name}{LAYOUT}"].item()):
        array = np.empty(shape, dtype)
        array[...] = data[offset : offset + array.nbytes].view(dtype).reshape(shape)
        arrays.append(array)
        offset += array.nbytes
    return tuple(arrays)


def _digest(members: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name, array in sorted(members.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
