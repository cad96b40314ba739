"""Random changes of training images and their labels.

What is drawn for an image depends on the seed, the epoch and the image's index alone. Each kind of change has draws of
its own, so that switching one of them leaves the others as they were.
"""

import math
from dataclasses import dataclass

import numpy as np

from segsweep.config.training_schema import AugmentationConfig
from segsweep.data.dataset import IGNORE
from segsweep.data.fitting import resized_band
from segsweep.data.view import is_open

# The second part of a seed; not 0, which would be as if there were none.
_SCALE, _BRIGHTNESS, _CONTRAST, _NOISE = 1, 2, 3, 4


@dataclass(frozen=True)
class Augmentation:
    """What changes the images of one epoch; arrays hold an entry for each image of the split."""

    order: np.ndarray
    """The indices of the images, in the order in which they come."""
    mirrored: np.ndarray
    """Whether it is mirrored left-right ..."""
    turns: np.ndarray
    """... and by how many quarters it is turned after that."""
    scale: np.ndarray | None
    """(N, 3) by what factor it is then enlarged, and which part is cut out: share of the way from top and from left."""
    brightness: np.ndarray | None
    """(N,) what is added to all bands of the normalized image, in units of each."""
    contrast: np.ndarray | None
    """(N,) what the distance from the mean of a band is multiplied by."""
    noise: float
    """Deviation of the Gaussian noise, at its highest."""
    seed: tuple[int, int]

    def change(self, indices: np.ndarray, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the pixels of `images` (N, H, W, C) and `labels` (N, H, W), the `indices` of the split, come to lie."""
        mirrored, turns = self.mirrored[indices], self.turns[indices]
        images, labels = _symmetry(images, mirrored, turns), _symmetry(labels, mirrored, turns)
        if self.scale is None:
            return images, labels
        scaled = [_scaled(*each) for each in zip(images, labels, self.scale[indices], strict=True)]
        return np.stack([image for image, _ in scaled]), np.stack([label for _, label in scaled])

    def recolour(
        self,
        indices: np.ndarray,
        images: np.ndarray,
        unit: np.ndarray | None = None,
        missing: np.ndarray | None = None,
    ) -> np.ndarray:
        """`images` (N, H, W, C) float32, normalized, with other brightness, contrast and noise; changed in place.

        `unit` (C,) float32 is what brightness and noise are multiples of, in each band; None: 1. `missing` (N, H, W, C)
        bool says which values are no data: they are 0, and stay so; None: none is.
        """
        scale = np.float32(1) if unit is None else unit
        if self.contrast is not None:
            pixels = images.shape[1] * images.shape[2]
            # As a product of matrices: five times as fast as the mean over all but the last axis.
            means = np.full((1, pixels), 1 / pixels, np.float32) @ images.reshape(len(images), pixels, -1)
            if missing is not None:
                # Those that are no data are 0 in the sum.
                there = pixels - missing.sum(axis=(1, 2), dtype=np.int64)
                means *= (pixels / np.maximum(there, 1)).astype(np.float32)[:, None]
            means = means[:, :, None]
            factors = self.contrast[indices, None, None, None]
            images *= factors
            images += means * (1 - factors)
        if self.brightness is not None:
            images += self.brightness[indices, None, None, None] * scale
        if self.noise:
            for index, image in zip(indices, images, strict=True):
                random = np.random.default_rng((*self.seed, _NOISE, int(index)))
                strengths = random.uniform(0, self.noise, image.shape[-1]).astype(np.float32) * scale
                image += random.standard_normal(image.shape, np.float32) * strengths
        if missing is not None:
            images[missing] = 0
        return images


def draw(images: int, settings: AugmentationConfig, *, square: bool, seed: int, epoch: int) -> Augmentation:
    """The order and the changes of an epoch of so many images; without `square` ones, turns are by half alone.

    In `settings`, nothing is `auto` any more.
    """
    assert not is_open(settings)
    random = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, epoch))))
    # Everything is drawn whatever the settings, so that switching one of them leaves the other draws as they were.
    order = random.permutation(images)
    left_right, top_bottom = random.integers(0, 2, size=(2, images))
    turns = random.integers(0, 4, size=images)
    if settings.flips is False:
        left_right = np.zeros_like(left_right)
    if settings.flips is not True:
        top_bottom = np.zeros_like(top_bottom)
    if not settings.turns:
        turns = np.zeros_like(turns)
    elif not square:
        turns = turns % 2 * 2

    def uniform(kind: int, low: float, high: float, *more: int) -> np.ndarray:
        return np.random.default_rng((seed, epoch, kind)).uniform(low, high, (images, *more)).astype(np.float32)

    scale = None
    if settings.scale is not None:
        low, high = map(math.log, settings.scale)
        # Twice as large comes as often as half as large.
        parts = uniform(_SCALE, 0, 1, 3)
        scale = np.column_stack([np.exp(low + (high - low) * parts[:, 0]), parts[:, 1:]])
    return Augmentation(
        order=order,
        # A mirror image top to bottom is one left to right, turned by half.
        mirrored=left_right != top_bottom,
        turns=(turns + 2 * top_bottom) % 4,
        scale=scale,
        brightness=uniform(_BRIGHTNESS, -settings.brightness, settings.brightness) if settings.brightness else None,
        contrast=uniform(_CONTRAST, settings.contrast[0], settings.contrast[1])
        if settings.contrast is not None
        else None,
        noise=settings.noise,
        seed=(seed, epoch),
    )


def does_nothing(settings: AugmentationConfig) -> bool:
    """Whether images come as they are, by settings of which nothing is `auto` any more."""
    assert not is_open(settings)
    geometric = settings.flips is not False or settings.turns or settings.scale is not None
    return not (geometric or settings.brightness or settings.contrast is not None or settings.noise)


def _symmetry(arrays: np.ndarray, mirrored: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Each of `arrays` (N, H, W, ...) mirrored left-right where `mirrored` (N,), then turned by `turns` (N,) x 90°."""
    changed = np.empty_like(arrays)
    for target, source, mirror, quarters in zip(changed, arrays, mirrored, turns, strict=True):
        target[...] = np.rot90(source[:, ::-1] if mirror else source, quarters)
    return changed


def _scaled(image: np.ndarray, label: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part of an image (H, W, C) and its label (H, W) that, enlarged, fills them; the image as float32.

    Bilinear for the image, over all pixels that fall into one where it is made smaller; nearest for the label. That of
    the whole image, (1, 1), stays. What is no data (NaN) does not spread.
    """
    factor, *shares = scale.tolist()
    size = image.shape[:2]
    sides = [side / factor for side in size]
    starts = [share * (side - part) for share, side, part in zip(shares, size, sides, strict=True)]
    ends = [start + part for start, part in zip(starts, sides, strict=True)]

    edges = [
        (max(0, math.ceil(-a)), max(0, math.ceil(b - side))) for a, b, side in zip(starts, ends, size, strict=True)
    ]
    wide = np.pad(image, (*edges, (0, 0)), mode="reflect") if any(map(any, edges)) else image
    (top, _), (left, _) = edges
    box = (starts[1] + left, starts[0] + top, ends[1] + left, ends[0] + top)
    bands = [
        resized_band(np.ascontiguousarray(wide[..., band], np.float32), size[::-1], box)
        for band in range(image.shape[-1])
    ]

    enlarged = np.stack(bands, axis=-1)
    if label.shape != size:
        return enlarged, label
    rows, columns = (
        np.floor(start + (np.arange(side) + 0.5) / factor).astype(int) for start, side in zip(starts, size, strict=True)
    )
    inside = ((rows >= 0) & (rows < size[0]))[:, None] & ((columns >= 0) & (columns < size[1]))
    nearest = label[rows.clip(0, size[0] - 1)[:, None], columns.clip(0, size[1] - 1)]
    return enlarged, np.where(inside, nearest, np.uint8(IGNORE))
