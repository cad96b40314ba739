"""Scenes in NumPy files: one image (H, W) or (H, W, C), or N images (N, H, W, C)."""

import math
import shutil
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from segsweep.errors import DataError
from segsweep.predict.scene import Reader, Scene, Window, invalid_numbers

_IMAGES = "X"
"""The array of an archive that holds its images; without it, the only one is taken."""
_DAMAGED = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)
_CHUNK = 2**20


@dataclass(frozen=True)
class _Layout:
    """What the head of a `.npy` file says."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype
    start: int
    """Bytes before the numbers."""

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def array_scenes(path: Path, nodata: float | None, staging: Path) -> list[Scene]:
    """The scenes in a `.npy` or `.npz` file; what an archive holds is unpacked into `staging` when it is needed.

    Raises:
        DataError: it cannot be read, or holds no images.
    """
    try:
        with _opened(path) as (file, size):
            layout = _layout(file)
    except _DAMAGED as error:
        raise _damaged(path, error) from error
    if not 2 <= len(layout.shape) <= 4 or layout.dtype.kind not in "uif" or not layout.bytes:
        raise DataError(
            f"{path}: an array {layout.shape} of {layout.dtype}; an image is numbers (height, width, bands), "
            "several are (images, height, width, bands)"
        )
    if size != layout.start + layout.bytes:
        raise DataError(f"{path}: {size} bytes where an array {layout.shape} of {layout.dtype} has {layout.bytes}; "
                        "it may be truncated")  # fmt: skip
    unpacked = _unpacker(path, layout, staging) if path.suffix.lower() == ".npz" else lambda: path
    shape = layout.shape if len(layout.shape) != 2 else (*layout.shape, 1)
    height, width, bands = shape[-3:]
    count = shape[0] if len(shape) == 4 else 1

    def reading(number: int) -> Callable[[], AbstractContextManager[Reader]]:
        return lambda: nullcontext(_MappedReader(unpacked(), layout, number if len(shape) == 4 else None, nodata))

    digits = max(4, len(str(count - 1)))
    names = [f"{path.stem}_{number:0{digits}}" for number in range(count)] if len(shape) == 4 else [path.stem]
    dtype = layout.dtype.name
    return [Scene(path, name, height, width, bands, dtype, reading(number)) for number, name in enumerate(names)]


@dataclass(frozen=True)
class _MappedReader:
    """An image of a file, which is mapped anew for each window, so that what was read does not stay in memory."""

    path: Path
    layout: _Layout
    number: int | None
    """Of the image among N; None where the array is one."""
    nodata: float | None

    def read(self, window: Window, channels: tuple[int, ...]) -> np.ndarray:
        layout = self.layout
        array = np.memmap(self.path, layout.dtype, "r", layout.start, layout.shape, "F" if layout.fortran else "C")
        image = array if self.number is None else array[self.number]
        image = image if image.ndim == 3 else image[..., None]
        part = image[window.top : window.bottom, window.left : window.right, list(channels)]
        return np.array(np.moveaxis(part, -1, 0), layout.dtype.newbyteorder("="), order="C")

    def invalid(self, pixels: np.ndarray, window: Window, channels: tuple[int, ...]) -> np.ndarray | None:
        return invalid_numbers(pixels, self.nodata)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], int]]:
    """The array's file and its size, within an archive or by itself."""
    if path.suffix.lower() == ".npy":
        with path.open("rb") as file:
            yield file, path.stat().st_size
        return
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".npy")]
        wanted = f"{_IMAGES}.npy" if f"{_IMAGES}.npy" in names or len(names) != 1 else names[0]
        if wanted not in names:
            found = ", ".join(name.removesuffix(".npy") for name in names) or "nothing"
            raise DataError(f"{path}: no array {_IMAGES}, which holds the images; there is {found}")
        with archive.open(wanted) as member:
            yield member, archive.getinfo(wanted).file_size


def _layout(file: IO[bytes]) -> _Layout:
    version = np.lib.format.read_magic(file)
    heads = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in heads:
        raise ValueError(f"a .npy file of version {version}")
    shape, fortran, dtype = heads[version](file)
    return _Layout(shape, fortran, dtype, file.tell())


def _unpacker(path: Path, layout: _Layout, staging: Path) -> Callable[[], Path]:
    """What unpacks the archive's array at the first call."""
    target = staging / f"{path.stem}.unpacked.npy"

    lock = threading.Lock()

    def unpacked() -> Path:
        with lock:
            return target if target.exists() else unpack()

    def unpack() -> Path:
        if shutil.disk_usage(staging).free < layout.bytes:
            raise DataError(
                f"{path}: {layout.bytes} bytes when unpacked, and the disk of {staging.parent} has less free"
            )
        try:
            with _opened(path) as (source, _), target.open("wb") as file:
                shutil.copyfileobj(source, file, _CHUNK)
        except _DAMAGED as error:
            target.unlink(missing_ok=True)
            raise _damaged(path, error) from error
        return target

    return unpacked


def _damaged(path: Path, error: BaseException) -> DataError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return DataError(f"{path}: cannot be read ({reason}); it may be truncated")
