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
from segsweep.data.view import View, view_of_bands

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


@dataclass(frozen=True, eq=False)
class SourceImages:
    """Of S images from which N items of a split (the images themselves, or patches of them) were cut."""

    of_item: np.ndarray = field(repr=False)
    """(N,) int64: the source image of each item, 0 to S - 1, each of which occurs."""
    groups: np.ndarray | None = field(default=None, repr=False)
    """(S,) int64: what `data.groups` says of each image, equal where images belong together; None: nothing is said."""
    masks: np.ndarray | None = field(default=None, repr=False)
    """(S,) int64: equal where masks are, before pixels without data are ignored; None: as labels say."""

    @classmethod
    def numbered(
        cls, source: np.ndarray, groups: np.ndarray | None = None, masks: np.ndarray | None = None
    ) -> "SourceImages":
        """From any number (N,) for the source image of each item, and (N,) for the group and for the mask of each."""
        _, first, of_item = np.unique(source, return_index=True, return_inverse=True)
        taken = (None if each is None else each[first] for each in (groups, masks))
        return cls(of_item.reshape(-1), *taken)

    def __len__(self) -> int:
        return int(self.of_item.max(initial=-1)) + 1


@dataclass(frozen=True)
class ArraySplit:
    """A split that is in memory."""

    images: np.ndarray = field(repr=False)
    """(N, H, W, C), any numeric type."""
    labels: np.ndarray = field(repr=False)
    """(N, H, W) uint8, or (N, 1, 1) of whole images."""
    sources: SourceImages | None = field(default=None, repr=False)
    """Where the images were cut from, and what `data.groups` says of them; None: nothing is known."""

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


@runtime_checkable
class Sourced(Protocol):
    """A split that knows where its items come from."""

    @property
    def sources(self) -> SourceImages | None:
        """None where each item is an image of its own, and nothing is said about groups."""


def sources_of(split: Split) -> SourceImages:
    """Where the items of a split come from; without better knowledge, each is an image of its own."""
    known = split.sources if isinstance(split, Sourced) else None
    return known if known is not None else SourceImages(np.arange(len(split)))


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
    known_view: View | None = None
    """From where its images were taken; None where the source cannot tell."""

    @property
    def stored_dtype(self) -> str:
        """Data type of the images as they are stored."""
        return self.dtype or self.train.read(np.array([0]))[0].dtype.name

    @property
    def view(self) -> View:
        """From where its images were taken, as far as one can tell."""
        return self.known_view if self.known_view is not None else view_of_bands(len(self.bands))
