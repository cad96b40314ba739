"""A classification split whose images are brought to another size when they are read."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from segsweep.data.dataset import ArraySplit
from segsweep.data.fitting import Fit, fit_image

_MADE_BY = "bilinear, Pillow"


@dataclass(frozen=True)
class ResizedSplit:
    """Images of one size in memory, read at another; their labels are of whole images and stay."""

    inner: ArraySplit = field(repr=False)
    size: tuple[int, int]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return (*self.size, self.inner.image_shape[2])

    @cached_property
    def fingerprint(self) -> str:
        return hashlib.sha256(f"{self.inner.fingerprint} {self.size} {_MADE_BY}".encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.inner)

    def read(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images, labels = self.inner.read(indices)
        fit = Fit(self.size, "resize")
        return np.stack([fit_image(image, fit) for image in images]), labels


def resized(split: ArraySplit, size: Sequence[int] | None) -> ArraySplit | ResizedSplit:
    """The split with images of `size` [height, width]; itself where they are, or where it is None."""
    if size is None or tuple(size) == split.image_shape[:2]:
        return split
    return ResizedSplit(split, (size[0], size[1]))
