"""A split whose images and masks are files, decoded when they are asked for."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from segsweep.data.dataset import IGNORE, SourceImages
from segsweep.data.fitting import CountedPart, Fit, Patches, fit_image, fit_labels
from segsweep.data.image_files import NO_RULE, ImageKind, read_image
from segsweep.data.labelling import Labelling
from segsweep.data.mask_files import read_labels
from segsweep.data.no_data import NoDataRule, is_empty, wide_type
from segsweep.data.orientation import file_orientation, why_other_size
from segsweep.data.parallel import in_parallel
from segsweep.data.sample_cache import Sample, SampleCache
from segsweep.data.survey import Survey
from segsweep.errors import DataError


@dataclass(frozen=True)
class FilePair:
    """An image and its mask."""

    name: str
    """What lists call it."""
    image: Path
    mask: Path | None
    """None where the image is not labelled."""


@dataclass(frozen=True)
class Reading:
    """All that decides what comes of files."""

    kind: ImageKind
    channels: tuple[int, ...] | None
    """Which bands to use; None for all."""
    labelling: Labelling
    fit: Fit
    patches: Patches
    no_data: NoDataRule = NO_RULE
    """What is no data, besides NaN and what files declare."""

    def settings(self) -> dict[str, Any]:
        """Those on which the numbers depend; names and colours for people are none, nor is what no data is: where there
        is some, the numbers themselves say so."""
        settings = asdict(self)
        del settings["labelling"], settings["no_data"]
        known = self.labelling
        values = [value for _, value in known.stored]
        return {**settings, "labels": [values, known.labels, known.void, known.coloured, known.tolerance]}

    def fitted(self, image: np.ndarray, labels: np.ndarray) -> Sample:
        """An image with all its bands and its labels, made ready to be cut."""
        if self.channels is not None:
            image = image[..., list(self.channels)]
        prepare = self.patches.prepare
        image = fit_image(image, self.fit, rounded=np.dtype(self.kind.dtype).kind in "iu")
        labels = fit_labels(labels, self.fit)
        empty = is_empty(image)
        if empty is not None:
            labels = np.where(empty, np.uint8(IGNORE), labels)
        return prepare(image), prepare(labels)

    def read(self, pair: FilePair) -> Sample:
        """The image (H, W, C) and its labels (H, W), ready to be cut.

        Raises:
            DataError: a file is gone, or not what it was when the data was checked.
        """
        image = read_image(pair.image, self.kind, self.fit, self.no_data)
        if pair.mask is None:
            return self.fitted(image, np.full(image.shape[:2], IGNORE, np.uint8))
        labels = read_labels(pair.mask, self.labelling, self.fit)
        if self.fit.size is None and labels.shape != image.shape[:2]:
            why = why_other_size(file_orientation(pair.image), file_orientation(pair.mask))
            raise DataError(f"{pair.mask}: is {labels.shape} pixels large for an image of {image.shape[:2]}{why}")
        return self.fitted(image, labels)


@dataclass(frozen=True, eq=False)
class FileSplit:
    """Images, or patches of them, in files."""

    pairs: Sequence[FilePair] = field(repr=False)
    reading: Reading
    source: np.ndarray = field(repr=False)
    """(N,) index in `pairs` for each image of the split."""
    corners: np.ndarray = field(repr=False)
    """(N, 2) row and column of its upper left pixel there."""
    image_shape: tuple[int, int, int]
    content: np.ndarray = field(repr=False)
    """(N, 64) uint8: sha256 of the image file and of the mask file."""
    survey: Survey = field(repr=False)
    cache: SampleCache = field(repr=False)
    parts: np.ndarray | None = field(default=None, repr=False)
    """(N, 4) first row, last row + 1, first column, last column + 1 of what is labelled in each patch, where pixels lie
    in several patches and count once; None: all of each patch."""
    groups: np.ndarray | None = field(default=None, repr=False)
    """(N,) int64: what images belong together; None: nothing is known."""

    @cached_property
    def sources(self) -> SourceImages:
        return SourceImages.numbered(self.source, self.groups, _numbers(self.content[:, 32:]))

    @cached_property
    def fingerprint(self) -> str:
        """Hex sha256 of the files' bytes, of how they are read, and of what came of them, wherever they lie."""
        digest = hashlib.sha256(json.dumps(self.reading.settings(), sort_keys=True).encode())
        digest.update(np.ascontiguousarray(self.content).data)
        digest.update(np.ascontiguousarray(self.corners, np.int64).data)
        # Another decoder may make other pixels of the same bytes.
        digest.update(np.ascontiguousarray(self.survey.digests).data)
        digest.update(np.ascontiguousarray(self.survey.counts, np.int32).data)
        if self.parts is not None:
            digest.update(b"each pixel counts once")
        return digest.hexdigest()

    @cached_property
    def _dtype(self) -> np.dtype:
        """Of the images: as stored where all values are data."""
        height, width, _ = self.image_shape
        stored = np.dtype(self.reading.kind.dtype)
        return stored if (self.survey.valid == height * width).all() else wide_type(stored)

    def __len__(self) -> int:
        return len(self.source)

    def read(self, indices: np.ndarray) -> Sample:
        # Each file once, though several patches of it may be asked for.
        wanted: dict[int, list[int]] = {}
        for position, index in enumerate(indices):
            wanted.setdefault(int(self.source[index]), []).append(position)
        images = np.empty((len(indices), *self.image_shape), self._dtype)
        labels = np.empty((len(indices), *self.image_shape[:2]), np.uint8)

        def fill(pair: int) -> None:
            image, mask = self.cache.get(pair, lambda: self.reading.read(self.pairs[pair]))
            for position in wanted[pair]:
                row, column = self.corners[indices[position]]
                images[position] = self.reading.patches.cut(image, (row, column))
                cut = self.reading.patches.cut(mask, (row, column))
                labels[position] = cut if self.parts is None else CountedPart(*self.parts[indices[position]]).only(cut)

        for _ in in_parallel(fill, list(wanted)):
            pass
        return images, labels


def _numbers(digests: np.ndarray) -> np.ndarray:
    """A number (N,) for each of the digests (N, 32) of mask files, the same for equal ones, also in other splits."""
    return np.ascontiguousarray(digests[:, :8]).view(np.int64).reshape(-1)
