"""Changing the histograms of all images of a data set, those of the test included."""

import hashlib
import zipfile
import zlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from segsweep.config.data_schema import DataConfig, StoredDataConfig
from segsweep.config.keys import versions
from segsweep.data import histogram as histograms
from segsweep.data.alpha_bands import alpha_band
from segsweep.data.array_cache import cached_arrays
from segsweep.data.dataset import ArraySplit, Dataset, SourceImages, Split, sources_of
from segsweep.data.file_split import FileSplit
from segsweep.data.file_survey import READING_CODE
from segsweep.data.histogram import Histogram, quantiles
from segsweep.data.image_files import kind_of, read_image
from segsweep.data.no_data import NoDataRule, with_no_data
from segsweep.data.normalization import fit_normalization
from segsweep.data.sample_cache import SampleCache
from segsweep.data.survey import Survey, joined, survey_images
from segsweep.errors import ConfigError, DataError

_CHUNK = 64
_IN_MEMORY = 2**29
"""Bytes up to which the changed images of a split in memory are kept there."""
_SHARE_OF_CACHE = 0.25
"""Of the cache for decoded images, what the changed images of one split may take."""
_CODE = [Path(__file__), Path(histograms.__file__ or ""), *READING_CODE]


@dataclass(frozen=True)
class HistogramSplit:
    """A split whose images are read with other histograms."""

    inner: Split = field(repr=False)
    histogram: Histogram
    cache: SampleCache = field(default_factory=lambda: SampleCache(0), repr=False, compare=False)
    """Where changed images are kept, so that not each epoch changes them anew."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.inner.image_shape

    @property
    def sources(self) -> SourceImages:
        return sources_of(self.inner)

    @cached_property
    def fingerprint(self) -> str:
        table = self.histogram.table
        content = b"" if table is None else table.tobytes()
        return hashlib.sha256(f"{self.inner.fingerprint} {self.histogram.how} ".encode() + content).hexdigest()

    @cached_property
    def survey(self) -> Survey:
        """All of it is read, by the first process that asks, and what was found is kept for the others."""

        def look() -> dict[str, np.ndarray]:
            starts = range(0, len(self), _CHUNK)
            chunks = (self.read(np.arange(start, min(start + _CHUNK, len(self)))) for start in starts)
            return joined(survey_images(*chunk) for chunk in chunks).arrays()

        settings = {"split": self.fingerprint, **versions("pillow")}
        return Survey(**cached_arrays("histogram", settings, _CODE, look, folder="surveys"))

    def __len__(self) -> int:
        return len(self.inner)

    def read(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = [self.cache.kept((self.fingerprint, int(index))) for index in indices]
        missing = [position for position, sample in enumerate(found) if sample is None]
        if missing:
            made = zip(missing, *self.inner.read(np.asarray(indices)[missing]), strict=True)
            for position, image, labels in made:
                # A part of an array would keep the whole of it.
                sample = self.histogram.apply(image), labels.copy()
                found[position] = self.cache.keep((self.fingerprint, int(indices[position])), sample)
        images, masks = zip(*filter(None, found), strict=True)
        return np.stack(images), np.stack(masks)


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
        # They are stored otherwise than they are given.
        dtype="",
    )


def _changed(split: Split, histogram: Histogram) -> Split:
    """The split, read with other histograms; one that is in memory is changed there, once for all epochs."""
    if isinstance(split, FileSplit):
        # The files' own cache, whose limit is for both. Where it cannot hold all, it had better hold what is decoded:
        # that takes longer to make, and a quarter of the room.
        height, width, bands = split.image_shape
        fits = len(split) * height * width * (4 * bands + 1) <= split.cache.limit * _SHARE_OF_CACHE
        return HistogramSplit(split, histogram, split.cache) if fits else HistogramSplit(split, histogram)
    changed = HistogramSplit(split, histogram)
    if not isinstance(split, ArraySplit) or split.images.size * 4 > _IN_MEMORY:
        return changed
    return ArraySplit(*changed.read(np.arange(len(split))), sources=split.sources)


def _reference(config: DataConfig, dataset: Dataset) -> np.ndarray:
    if config.histogram_reference is None:
        raise ConfigError(
            "data.histogram=match needs an image to match; give its path as data.histogram_reference=PATH"
        )
    path = Path(config.histogram_reference)
    pixels = _pixels(path, config)
    bands = len(dataset.bands)
    channels = getattr(config, "channels", None)
    if pixels.shape[-1] != bands and channels is not None and max(channels) < pixels.shape[-1]:
        pixels = pixels[..., list(channels)]
    if pixels.shape[-1] != bands:
        raise DataError(
            f"data.histogram_reference={path}: {pixels.shape[-1]} bands where the data have {bands} "
            f"({', '.join(dataset.bands)}); give an image of the same bands"
        )
    none = [name for name, band in zip(dataset.bands, np.moveaxis(pixels, -1, 0), strict=True) if np.isnan(band).all()]
    if none:
        raise DataError(
            f"data.histogram_reference={path}: no valid value in the bands {', '.join(none)}; give another image"
        )
    return quantiles(pixels)


def _pixels(path: Path, config: DataConfig) -> np.ndarray:
    """All pixels (..., C) of an image file, or of the first array of a NumPy one (of an archive with `X`, that)."""
    nodata = getattr(config, "nodata", None)
    if path.suffix.lower() not in (".npy", ".npz"):
        alpha = isinstance(config, StoredDataConfig) and alpha_band([path], config).is_mask
        return read_image(path, kind_of(path), rule=NoDataRule(nodata, alpha))
    try:
        array = _array(path)
    except (OSError, EOFError, ValueError, KeyError, IndexError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"data.histogram_reference={path}: cannot be read ({_first_line(error)}); give an image, .npy or .npz"
        ) from error
    if array.ndim not in (3, 4) or array.dtype.kind not in "uif" or not array.size:
        raise DataError(
            f"data.histogram_reference={path}: an array {array.shape} of {array.dtype}; give numbers (H, W, C) or "
            "(N, H, W, C)"
        )
    array = with_no_data(array, nodata)
    wrong = int(np.count_nonzero(np.isinf(array)))
    if wrong:
        raise DataError(f"data.histogram_reference={path}: {wrong} infinite values; fill them")
    return array


def _array(path: Path) -> np.ndarray:
    """What the file holds decides, not what it is called."""
    content = np.load(path, allow_pickle=False)
    if isinstance(content, np.ndarray):
        return content
    with content:
        return np.asarray(content["X" if "X" in content.files else content.files[0]])


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
