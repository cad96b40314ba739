"""CIFAR-100 in its own files, the binary ones or those for Python.

Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images, https://www.cs.toronto.edu/~kriz/cifar.html.
"""

import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segsweep.config.data_schema import Cifar100Config
from segsweep.data.dataset import ArraySplit, Dataset
from segsweep.data.normalization import fit_normalization
from segsweep.data.palette import palette
from segsweep.data.resized_split import resized
from segsweep.data.splits import equal_images, split_by_fraction
from segsweep.data.task import CLASSIFICATION
from segsweep.data.view import UPRIGHT
from segsweep.errors import DataError

SIDE = 32
CLASSES = {"coarse": 20, "fine": 100}
FOLDERS = (".", "cifar-100-binary", "cifar-100-python")
NAMES_FILE = "{labels}_label_names.txt"
_PIXELS = 3 * SIDE * SIDE
_RECORD = 2 + _PIXELS


@dataclass(frozen=True)
class Part:
    """The training or the test part."""

    images: np.ndarray
    """(N, 32, 32, 3) uint8."""
    labels: Mapping[str, np.ndarray]
    """`coarse` and `fine`, (N,) uint8."""


def load(config: Cifar100Config) -> Dataset:
    """The data set in `config.root`; training images that the test holds too are left out.

    Raises:
        DataError: a file is missing, truncated, or not CIFAR-100's.
    """
    folder = _folder(Path(config.root or "").expanduser())
    train, test = (read_part(folder, name) for name in ("train", "test"))
    names = read_names(folder, config.labels)
    numbers = equal_images(np.concatenate([train.images, test.images]))
    groups, tested = numbers[: len(train.images)], numbers[len(train.images) :]
    rows = np.flatnonzero(~np.isin(groups, tested))
    dropped = len(groups) - len(rows)
    kept, aside = split_by_fraction(
        rows, groups, config.validation_fraction, config.split_seed, "data.validation_fraction"
    )

    def split(part: Part, chosen: np.ndarray) -> Any:
        labels = part.labels[config.labels][chosen][:, None, None]
        return resized(ArraySplit(part.images[chosen], labels), config.size)

    learnt = split(train, kept)
    return Dataset(
        name=config.name,
        classes=names,
        palette=palette(len(names)),
        bands=("red", "green", "blue"),
        rgb=(0, 1, 2),
        train=learnt,
        validation=split(train, aside),
        test=split(test, np.arange(len(test.images))),
        normalization=fit_normalization(learnt, config.normalize),
        task=CLASSIFICATION,
        standin=config.standin,
        known_view=UPRIGHT,
        remarks=(f"{dropped} training images are in the test part too; they are left out",) * bool(dropped),
    )


def _folder(root: Path) -> Path:
    """Where the files lie.

    Raises:
        DataError: nowhere there.
    """
    for name in FOLDERS:
        if any((root / name / file).is_file() for file in ("train", "train.bin")):
            return root / name
    raise DataError(
        f"data.root: {root} holds neither train.bin nor train; unpack cifar-100-binary.tar.gz or "
        "cifar-100-python.tar.gz there, or set data.standin=true"
    )


def read_part(folder: Path, name: str) -> Part:
    """The part `train` or `test` of a folder in either format."""
    binary = folder / f"{name}.bin"
    return _read_binary(binary) if binary.is_file() else _read_pickled(folder / name)


def _read_binary(path: Path) -> Part:
    """Records of a coarse label, a fine label, and the pixels: planes of red, green and blue."""
    try:
        records = np.fromfile(path, np.uint8)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if not records.size or records.size % _RECORD:
        raise DataError(f"{path}: {records.size} bytes are no whole number of records of {_RECORD}; get it again")
    records = records.reshape(-1, _RECORD)
    return _part(path, records[:, 2:], {"coarse": records[:, 0], "fine": records[:, 1]})


def _read_pickled(path: Path) -> Part:
    content = _unpickled(path)
    try:
        labels = {kind: np.asarray(content[f"{kind}_labels".encode()], np.uint8) for kind in CLASSES}
        return _part(path, np.asarray(content[b"data"]), labels)
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{path}: is none of CIFAR-100's files ({error!r})") from error


def _part(path: Path, pixels: np.ndarray, labels: Mapping[str, np.ndarray]) -> Part:
    if (
        pixels.dtype != np.uint8
        or pixels.shape[1:] != (_PIXELS,)
        or any(len(each) != len(pixels) for each in labels.values())
    ):
        raise DataError(f"{path}: pixels {pixels.shape} of {pixels.dtype}; (images, {_PIXELS}) of uint8 are needed")
    for kind, values in labels.items():
        if values.max(initial=0) >= CLASSES[kind]:
            raise DataError(f"{path}: holds the {kind} label {values.max()}; there are 0 to {CLASSES[kind] - 1}")
    images = pixels.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
    return Part(np.ascontiguousarray(images), labels)


def read_names(folder: Path, labels: str) -> tuple[str, ...]:
    """The names of the `fine` or the `coarse` classes, in order."""
    path = folder / NAMES_FILE.format(labels=labels)
    if path.is_file():
        names = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    elif (folder / "meta").is_file():
        path = folder / "meta"
        found = _unpickled(path).get(f"{labels}_label_names".encode(), [])
        names = [name.decode() if isinstance(name, bytes) else str(name) for name in found]
    else:
        raise DataError(f"{path}: no such file; it names the classes")
    if len(names) != CLASSES[labels]:
        raise DataError(f"{path}: names {len(names)} classes; CIFAR-100 has {CLASSES[labels]} {labels} ones")
    return tuple(names)


class _PlainUnpickler(pickle.Unpickler):
    """Makes arrays and plain values, and nothing that runs."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _latin1(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes into pickles that Python 2 can read."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for text in {encoding}")
    return text.encode(encoding)


_ALLOWED: Mapping[tuple[str, str], Any] = {
    ("_codecs", "encode"): _latin1,
    **{
        (f"numpy.{core}.multiarray", "_reconstruct"): np.ndarray.__reduce__(np.empty(0))[0]
        for core in ("core", "_core")
    },
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


def _unpickled(path: Path) -> dict[bytes, Any]:
    """The dictionary of one of the files for Python.

    Raises:
        DataError: it cannot be read, or asks for anything but arrays.
    """
    try:
        content = _PlainUnpickler(io.BytesIO(path.read_bytes()), encoding="bytes").load()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except Exception as error:  # a damaged pickle may raise anything
        raise DataError(f"{path}: is none of CIFAR-100's files for Python, or damaged ({error})") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: is none of CIFAR-100's files for Python")
    return content
