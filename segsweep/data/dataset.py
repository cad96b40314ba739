"""What a data source gives: three splits of images and labels, and what is known about them."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np

from segsweep.data.histogram import Histogram
from segsweep.data.no_data import missing_in
from segsweep.data.survey import Survey, joined, survey_images
from segsweep.data.task import SEGMENTATION, Task

_CHUNK = 64

IGNORE = 255
"""The label, inside segsweep, of a pixel that counts nowhere; at most 255 classes remain."""


class Split(Protocol):
    """Images and labels that can be read by index."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels, the same for all images of the split."""

    @property
    def fingerprint(self) -> str:
        """Hex sha256 of all images and labels."""

    def __len__(self) -> int: ...

    def read(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Images (N, H, W, C) as stored, not normalized; labels (N, H, W) uint8, `IGNORE` where they do not count.

        Labels of whole images are (N, 1, 1). Of a split with values that are no data, images are floating and hold NaN
        there; labels are `IGNORE` where all bands do.
        """


@dataclass(frozen=True)
class ArraySplit:
    """A split that is in memory."""

    images: np.ndarray = field(repr=False)
    """(N, H, W, C), any numeric type."""
    labels: np.ndarray = field(repr=False)
    """(N, H, W) uint8, or (N, 1, 1) of whole images."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        _, height, width, channels = self.images.shape
        return height, width, channels

    @cached_property
    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for array in (self.images, self.labels):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    @cached_property
    def survey(self) -> Survey:
        return survey_images(self.images, self.labels)

    def __len__(self) -> int:
        return len(self.images)

    def read(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.images[indices], self.labels[indices]


@runtime_checkable
class Surveyed(Protocol):
    """A split of which a survey is at hand."""

    @property
    def survey(self) -> Survey:
        """Of its images, in order."""


def survey_of(split: Split) -> Survey:
    """What is known of each image of the split; all of it is read where nobody has done so before."""
    if isinstance(split, Surveyed):
        return split.survey
    starts = range(0, len(split), _CHUNK)
    return joined(survey_images(*split.read(np.arange(start, min(start + _CHUNK, len(split))))) for start in starts)


@dataclass(frozen=True)
class Normalization:
    """Makes bands comparable: `(x - mean) / std`, by default their mean and deviation over the training split."""

    mean: np.ndarray
    """(C,) float32."""
    std: np.ndarray
    """(C,) float32, never 0."""
    unit: np.ndarray | None = None
    """(C,) float32: after `apply`, what 1 is by the data set's own normalization (a standard deviation of its training
    images, unless it goes by percentiles); None: 1."""
    keeps_missing: bool = False
    """Whether `apply` leaves NaN where an image is no data, for those who normalize once more; else it becomes 0."""

    def apply(self, images: np.ndarray) -> np.ndarray:
        """Images (..., C) of any numeric type as float32, normalized; what is no data (NaN) becomes the band's mean."""
        # Whole rows at a time: with C numbers at a time NumPy takes twice as long.
        width = images.shape[-2] if images.ndim > 1 else 1
        rows = images.reshape(-1, width * images.shape[-1]).astype(np.float32)
        rows -= np.tile(self.mean, width)
        rows *= np.tile(np.float32(1) / self.std, width)
        missing = None if images.dtype.kind != "f" or self.keeps_missing else missing_in(rows)
        if missing is not None:
            rows[missing] = 0
        return rows.reshape(images.shape)


@dataclass(frozen=True)
class Dataset:
    """A segmentation problem, or a classification one."""

    name: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    """A colour (red, green, blue; 0..255) for each class."""
    bands: tuple[str, ...]
    rgb: tuple[int, int, int]
    """The channels to show as red, green and blue."""
    train: Split = field(repr=False)
    validation: Split = field(repr=False)
    test: Split = field(repr=False)
    normalization: Normalization
    """From the training split alone."""
    task: Task = SEGMENTATION
    """Whether pixels or whole images have a class."""
    unlabelled: Split | None = field(default=None, repr=False)
    """Further images, without labels: all are `IGNORE`."""
    histogram: Histogram | None = None
    """What was done to the histograms of the images."""
    standin: bool = False
    """Whether it was generated in place of a data set that must be downloaded."""
    remarks: tuple[str, ...] = ()
    """What whoever reads the files should know, a sentence each."""
    dtype: str = ""
    """Data type of the images as they are stored, as `uint16`; empty: as the training split gives them."""
    nodata: float | None = None
    """`data.nodata`, by which values of files that declare none are no data."""
    alpha_is_band: bool = False
    """Whether files tag a band as alpha that was taken for a band like the others."""

    @property
    def stored_dtype(self) -> str:
        """Data type of the images as they are stored."""
        return self.dtype or self.train.read(np.array([0]))[0].dtype.name
