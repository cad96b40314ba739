"""Confusion counts image by image, of which only those that are not 0 are kept.

Of images with one class each, a matrix of K x K counts holds a single 1: of 10,000 images and 100 classes, all of them
would take 800 MB.
"""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import IO

import numpy as np
from scipy import sparse

_AT_ONCE = 2**17
"""Counts that are unpacked at a time."""
_DENSE, _CELLS, _GROUPS = "counts", "cells", "groups"
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class ImageCounts:
    """(N, K, K) confusion counts; rows truth, columns prediction."""

    cells: sparse.csr_array = field(repr=False)
    """(N, K * K) int64."""
    classes: int
    """K."""
    groups: np.ndarray | None = field(default=None, repr=False)
    """(N,) int64: equal for images that are not independent of each other; None where nobody knows."""

    @classmethod
    def of(cls, counts: "np.ndarray | ImageCounts") -> "ImageCounts":
        """From an array (N, K, K); what is sparse already is returned as it is."""
        if isinstance(counts, ImageCounts):
            return counts
        images, classes, _ = counts.shape
        places = np.flatnonzero(counts)
        return cls._at(places, counts.reshape(-1)[places], images, classes)

    @classmethod
    def joined(cls, parts: Sequence["ImageCounts"]) -> "ImageCounts":
        """The images of several, one behind the other; at least one, all of the same classes."""
        return cls(sparse.csr_array(sparse.vstack([each.cells for each in parts], format="csr")), parts[0].classes)

    @classmethod
    def _at(cls, places: np.ndarray, values: np.ndarray, images: int, classes: int) -> "ImageCounts":
        """`places` are where the values stand in the array of all counts, ascending."""
        rows, columns = np.divmod(places, classes * classes)
        starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=images))])
        shape = (images, classes * classes)
        return cls(sparse.csr_array((values.astype(np.int64), columns, starts), shape=shape), classes)

    def __len__(self) -> int:
        return int(self.cells.shape[0])

    @property
    def total(self) -> np.ndarray:
        """(K, K) int64 of all images together."""
        return np.asarray(self.cells.sum(axis=0), np.int64).reshape(self.classes, self.classes)

    @property
    def of_truth(self) -> np.ndarray:
        """(N, K) int64: pixels of each class in each image."""
        found = np.zeros((len(self), self.classes), np.int64)
        rows = np.repeat(np.arange(len(self)), np.diff(self.cells.indptr))
        np.add.at(found, (rows, self.cells.indices // self.classes), self.cells.data)
        return found

    def summed(self, rows: np.ndarray, groups: np.ndarray | None = None) -> "ImageCounts":
        """The counts of larger images, to each of which some of these belong, as patches do.

        Args:
            rows: (N,) integers from 0: the larger image of each of these.
            groups: of the larger images.
        """
        larger = int(rows.max(initial=-1)) + 1
        member = sparse.csr_array((np.ones(len(rows), np.int64), (rows, np.arange(len(rows)))), (larger, len(rows)))
        summed = sparse.csr_array(member @ self.cells)
        summed.sort_indices()
        return ImageCounts(summed, self.classes, groups)

    def dense(self, images: slice = slice(None)) -> np.ndarray:
        """(N, K, K) int64, of some images or all."""
        return self.cells[images].toarray().reshape(-1, self.classes, self.classes)


def stored_counts(counts: ImageCounts) -> bytes:
    """A `confusion.npz`: a compressed NumPy archive with `counts`, int64 (N, K, K), a row for each source image.

    `groups`, int64 (N,), is equal for images that are not independent of each other; absent where nobody knows.
    Where they are few, those that are not 0 stand there as well, in `cells`: int64 (M, 4), image, truth, prediction and
    count. Who reads them need not unpack the others.
    """
    content = io.BytesIO()
    images, classes = len(counts), counts.classes
    with zipfile.ZipFile(content, "w") as archive:
        with archive.open(_entry(_DENSE), "w", force_zip64=True) as file:
            header = {"descr": "<i8", "fortran_order": False, "shape": (images, classes, classes)}
            np.lib.format.write_array_header_1_0(file, header)
            step = max(1, _AT_ONCE // classes**2)
            for start in range(0, images, step):
                file.write(np.ascontiguousarray(counts.dense(slice(start, start + step)), "<i8").data)
        if 4 * counts.cells.nnz < images * classes**2 // 2:
            rows = np.repeat(np.arange(images), np.diff(counts.cells.indptr))
            cells = np.stack([rows, *np.divmod(counts.cells.indices, classes), counts.cells.data], axis=1)
            with archive.open(_entry(_CELLS), "w") as file:
                np.lib.format.write_array(file, cells.astype("<i8"))
        if counts.groups is not None:
            with archive.open(_entry(_GROUPS), "w") as file:
                np.lib.format.write_array(file, counts.groups.astype("<i8"))
    return content.getvalue()


def read_counts(content: bytes) -> ImageCounts:
    """The counts of a `confusion.npz`."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        groups = None
        if f"{_GROUPS}.npy" in archive.namelist():
            with archive.open(f"{_GROUPS}.npy") as file:
                groups = np.lib.format.read_array(file, allow_pickle=False)
        return replace(_read_cells(archive), groups=groups)


def _read_cells(archive: zipfile.ZipFile) -> ImageCounts:
    with archive.open(f"{_DENSE}.npy") as file:
        np.lib.format.read_magic(file)
        (images, classes, _), _, dtype = np.lib.format.read_array_header_1_0(file)
        if f"{_CELLS}.npy" in archive.namelist():
            with archive.open(f"{_CELLS}.npy") as few:
                image, truth, predicted, values = np.lib.format.read_array(few, allow_pickle=False).T
            places = (image * classes + truth) * classes + predicted
            return ImageCounts._at(places, values, images, classes)
        return _unpacked(file, dtype, images, classes)


def _entry(name: str) -> zipfile.ZipInfo:
    """Of an archive, without the time: the same counts make the same bytes."""
    entry = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _unpacked(file: IO[bytes], dtype: np.dtype, images: int, classes: int) -> ImageCounts:
    step = max(1, _AT_ONCE // classes**2)
    parts = [ImageCounts.of(np.zeros((0, classes, classes), np.int64))]
    for start in range(0, images, step):
        here = min(step, images - start)
        values = np.frombuffer(file.read(here * classes**2 * dtype.itemsize), dtype)
        parts.append(ImageCounts.of(values.reshape(here, classes, classes)))
    return ImageCounts.joined(parts)
