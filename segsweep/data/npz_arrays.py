"""Arrays of NumPy archives that others made: read without unpickling anything, and checked."""

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from segsweep.data.no_data import equal_to
from segsweep.errors import DataError


def read_arrays(path: Path, needed: Sequence[str], optional: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Arrays of a file, by name; objects are never unpickled.

    Args:
        path: of the archive.
        needed: arrays that must be there.
        optional: arrays that may be.

    Raises:
        DataError: the file is missing or broken, or does not hold them.
    """
    require_file(path, needed)
    try:
        opened = np.load(path, allow_pickle=False)
        if not isinstance(opened, np.lib.npyio.NpzFile):
            raise DataError(f"{path}: holds a single array; an .npz archive with {_words(needed)} is needed")
        with opened as arrays:
            found = {name: _array(arrays, name, path) for name in needed}
            return found | {name: arrays[name] for name in optional if name in arrays}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path}: cannot be read as an .npz archive ({error}); it may be truncated") from error
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise DataError(f"{path}: cannot be read as an .npz archive ({error})") from error
        raise DataError(
            f"{path}: holds Python objects, which are never unpickled; save plain numeric arrays instead"
        ) from error


def require_file(path: Path, needed: Sequence[str]) -> None:
    """Raise DataError where there is no such file; `needed` are the arrays that it should hold."""
    if not path.is_file():
        raise DataError(f"{path}: no such file; give the path of an .npz archive with {_words(needed)}")


def checked_images(images: np.ndarray, path: Path, nodata: float | None = None) -> np.ndarray:
    """Images (N, H, W, C) of finite numbers, NaN and `nodata`. Raises DataError where they are something else."""
    if images.dtype.kind not in "iufb":
        raise DataError(f"{path}: X has type {images.dtype}; numbers are needed")
    if images.ndim != 4:
        raise DataError(f"{path}: X has shape {images.shape}; (images, height, width, bands) is needed")
    if images.size == 0:
        raise DataError(f"{path}: X has shape {images.shape}, which is empty; at least one image is needed")
    largest = np.finfo(np.float32).max
    if images.dtype.kind == "f" and not (np.abs(images) <= largest).all():
        allowed = (np.abs(images) <= largest) | np.isnan(images)
        declared = equal_to(images, nodata)
        bad = np.argwhere(~(allowed if declared is None else allowed | declared))
        if not len(bad):
            return images
        image, row, column, band = bad[0]
        raise DataError(
            f"{path}: X holds {len(bad)} infinite values (or beyond 32-bit floats), the first in image {image} "
            f"at row {row}, column {column}, band {band}; fill them (with NaN, where there is no data), or leave those "
            "images out"
        )
    return images


def _array(arrays: Mapping[str, np.ndarray], name: str, path: Path) -> np.ndarray:
    if name not in arrays:
        raise DataError(f"{path}: no array {name}; it holds {', '.join(sorted(arrays)) or 'nothing'}")
    return arrays[name]


def _words(needed: Sequence[str]) -> str:
    return f"arrays {' and '.join(needed)}" if len(needed) > 1 else f"an array {needed[0]}"
