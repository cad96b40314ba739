"""Changing the histograms of all images of a data set, those of the test included."""

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from segsweep.config.schema import DataConfig
from segsweep.data.dataset import ArraySplit, Dataset, Split
from segsweep.data.histogram import Histogram, quantiles
from segsweep.data.image_files import kind_of, read_image
from segsweep.data.normalization import fit_normalization
from segsweep.data.survey import Survey, joined, survey_images
from segsweep.errors import ConfigError, DataError

_CHUNK = 64
_IN_MEMORY = 2**29
"""Bytes up to which the changed images of a split in memory are kept there."""


@dataclass(frozen=True)
class HistogramSplit:
    """A split whose images are read with other histograms."""

    inner: Split = field(repr=False)
    histogram: Histogram

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.inner.image_shape

    @cached_property
    def fingerprint(self) -> str:
        table = self.histogram.table
        content = b"" if table is None else table.tobytes()
        return hashlib.sha256(f"{self.inner.fingerprint} {self.histogram.how} ".encode() + content).hexdigest()

    @cached_property
    def survey(self) -> Survey:
        starts = range(0, len(self), _CHUNK)
        return joined(survey_images(*self.read(np.arange(start, min(start + _CHUNK, len(self))))) for start in starts)

    def __len__(self) -> int:
        return len(self.inner)

    def read(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images, labels = self.inner.read(indices)
        return np.stack([self.histogram.apply(image) for image in images]), labels


def preprocessed(dataset: Dataset, config: DataConfig) -> Dataset:
    """The data set with the histograms that its settings ask for, normalized anew; itself where they ask for none.

    Raises:
        ConfigError: a reference is asked for and not given.
        DataError: the reference cannot be read, or has other bands.
    """
    if config.histogram == "none":
        return dataset
    table = _reference(config, dataset) if config.histogram == "match" else None
    histogram = Histogram(config.histogram, table)
    train = _changed(dataset.train, histogram)
    unlabelled = dataset.unlabelled
    return replace(
        dataset,
        train=train,
        validation=_changed(dataset.validation, histogram),
        test=_changed(dataset.test, histogram),
        unlabelled=_changed(unlabelled, histogram) if unlabelled is not None else None,
        normalization=fit_normalization(train, getattr(config, "normalize", "standard")),
        histogram=histogram,
    )


def _changed(split: Split, histogram: Histogram) -> Split:
    """The split, read with other histograms; one that is in memory is changed there, once for all epochs."""
    changed = HistogramSplit(split, histogram)
    if not isinstance(split, ArraySplit) or split.images.size * 4 > _IN_MEMORY:
        return changed
    return ArraySplit(*changed.read(np.arange(len(split))))


def _reference(config: DataConfig, dataset: Dataset) -> np.ndarray:
    if config.histogram_reference is None:
        raise ConfigError(
            "data.histogram=match needs an image to match; give its path as data.histogram_reference=PATH"
        )
    path = Path(config.histogram_reference)
    pixels = _pixels(path)
    bands = len(dataset.bands)
    channels = getattr(config, "channels", None)
    if pixels.shape[-1] != bands and channels is not None and max(channels) < pixels.shape[-1]:
        pixels = pixels[..., list(channels)]
    if pixels.shape[-1] != bands:
        raise DataError(
            f"data.histogram_reference={path}: {pixels.shape[-1]} bands where the data have {bands} "
            f"({', '.join(dataset.bands)}); give an image of the same bands"
        )
    return quantiles(pixels)


def _pixels(path: Path) -> np.ndarray:
    """All pixels (..., C) of an image file, or of the first array of a NumPy one (of an archive with `X`, that)."""
    if path.suffix.lower() not in (".npy", ".npz"):
        return read_image(path, kind_of(path))
    try:
        content = np.load(path, allow_pickle=False)
        array = content[("X" if "X" in content.files else content.files[0])] if path.suffix == ".npz" else content
    except (OSError, ValueError, IndexError) as error:
        raise DataError(
            f"data.histogram_reference={path}: cannot be read ({error}); give an image, .npy or .npz"
        ) from error
    if array.ndim not in (3, 4) or not np.issubdtype(array.dtype, np.number):
        raise DataError(
            f"data.histogram_reference={path}: an array {array.shape}; give one of (H, W, C) or (N, H, W, C)"
        )
    return array
