"""Weights of an earlier training that another one starts from, perhaps at another size of the images."""

import hashlib
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segsweep.errors import ConfigError

if TYPE_CHECKING:
    import tf_keras as keras

SETTING = "training.initial_weights"
_RIGHT = "give the path of a weights/weights.npz that a training of the same model logged"


def check_initial_weights(path: str) -> None:
    """Raise ConfigError where there is no such file, or it holds no weights."""
    file = Path(path).expanduser()
    if not file.is_file():
        raise ConfigError(f"{SETTING}={path} is not there; {_RIGHT}")
    if not zipfile.is_zipfile(file):
        raise ConfigError(f"{SETTING}={path} is no .npz archive; {_RIGHT}")


def initial_weights_digest(path: str) -> str:
    """Hex sha256 of the file."""
    file = Path(path).expanduser()
    return _sha256(file, file.stat().st_mtime_ns)


def set_initial_weights(model: "keras.Model", path: str) -> None:
    """Give `model` the weights in the file.

    Raises:
        ConfigError: they are of another model.
    """
    try:
        with np.load(Path(path).expanduser(), allow_pickle=False) as arrays:
            weights = {name: arrays[name] for name in sorted(arrays.files)}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{SETTING}={path} cannot be read ({error}); {_RIGHT}") from error
    expected = [(variable.name, tuple(variable.shape)) for variable in model.weights]
    if len(weights) != len(expected):
        raise ConfigError(f"{SETTING}={path} holds {len(weights)} arrays where the model has {len(expected)}; {_RIGHT}")
    for (stored, array), (name, shape) in zip(weights.items(), expected, strict=True):
        if array.shape != shape:
            raise ConfigError(
                f"{SETTING}={path}: {stored} is {array.shape} where the model's {name} is {shape}; {_RIGHT}"
            )
    model.set_weights(list(weights.values()))


@lru_cache(maxsize=16)
def _sha256(path: Path, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
