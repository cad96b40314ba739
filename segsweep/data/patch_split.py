"""A split of patches that are cut out of images in memory when they are asked for."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from segsweep.data.dataset import SourceImages
from segsweep.data.fitting import CountedPart, Patches
from segsweep.data.no_data import is_empty
from segsweep.data.survey import Survey, joined, survey_images

_CHUNK = 64


@dataclass(frozen=True)
class PatchSplit:
    """All patches of each image that have a valid pixel, those of one image next to each other."""

    images: np.ndarray = field(repr=False)
    """(N, H, W, C), any numeric type, at least as large as a patch."""
    labels: np.ndarray = field(repr=False)
    """(N, H, W) uint8."""
    patches: Patches
    once: bool = False
    """Whether each pixel has its label in one patch alone, as where scores are counted; elsewhere it is `IGNORE`."""
    groups: np.ndarray | None = field(default=None, repr=False)
    """(N,) int64: what images belong together; None: nothing is known."""
    masks: np.ndarray | None = field(default=None, repr=False)
    """(N,) int64: equal where masks are, before pixels without data are ignored; None: as labels say."""

    @property
    def sources(self) -> SourceImages:
        image = self._places // len(self.corners)
        groups, masks = (None if each is None else each[image] for each in (self.groups, self.masks))
        return SourceImages.numbered(image, groups, masks)

    @cached_property
    def _counted(self) -> list[CountedPart] | None:
        """For each patch of an image, what counts in it; None where all does."""
        shape = (self.images.shape[1], self.images.shape[2])
        return self.patches.counted(shape) if self.once and self.patches.overlap(shape) else None

    @cached_property
    def corners(self) -> list[tuple[int, int]]:
        """Row and column of the upper left pixel of each patch of an image."""
        return self.patches.corners((self.images.shape[1], self.images.shape[2]))

    @property
    def image_shape(self) -> tuple[int, int, int]:
        height, width, channels = self.patches.cut(self.images[0], (0, 0)).shape
        return height, width, channels

    @cached_property
    def fingerprint(self) -> str:
        """As if all patches were in one array."""
        digest = hashlib.sha256()
        for array in (self.images, self.labels):
            shape = (len(self), *self.patches.cut(array[0], (0, 0)).shape)
            digest.update(f"{array.dtype.str}{shape}".encode())
            for place in self._places.tolist():
                image, patch = divmod(place, len(self.corners))
                digest.update(np.ascontiguousarray(self.patches.cut(array[image], self.corners[patch])).data)
        if self._counted is not None:
            digest.update(b"each pixel counts once")
        return digest.hexdigest()

    @cached_property
    def survey(self) -> Survey:
        starts = range(0, len(self), _CHUNK)
        return joined(survey_images(*self.read(np.arange(start, min(start + _CHUNK, len(self))))) for start in starts)

    @cached_property
    def _places(self) -> np.ndarray:
        """(N,) for each patch of the split, its number among all patches of all images."""
        every = np.arange(len(self.images) * len(self.corners))
        empty = is_empty(self.images)
        if empty is None:
            return every
        cuts = (self.patches.cut(image, corner) for image in empty for corner in self.corners)
        return every[[not cut.all() for cut in cuts]]

    def __len__(self) -> int:
        return len(self._places)

    def read(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images = np.empty((len(indices), *self.image_shape), self.images.dtype)
        labels = np.empty((len(indices), *self.image_shape[:2]), self.labels.dtype)
        for position, index in enumerate(indices):
            image, patch = divmod(int(self._places[index]), len(self.corners))
            images[position] = self.patches.cut(self.images[image], self.corners[patch])
            cut = self.patches.cut(self.labels[image], self.corners[patch])
            labels[position] = cut if self._counted is None else self._counted[patch].only(cut)
        return images, labels
