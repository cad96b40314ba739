"""Small generated scenes of any classes: regions, or objects on a background, each class with colour and texture.

Colour alone does not tell the classes apart: regions of one class differ in it, and images differ in their light.
"""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_GOLDEN = 0.61803398875
_REGIONS = (9, 16)
"""Least and most regions of a scene."""
_OBJECTS = (1, 3)


@dataclass(frozen=True)
class Light:
    """How a scene, or the scenes of one group, are lit."""

    gain: np.ndarray
    """(3,) factors of red, green and blue."""
    slope: tuple[float, float]
    """Change of brightness from top to bottom and from left to right."""


def draw_light(rng: np.random.Generator) -> Light:
    """A random light."""
    gain = rng.uniform(0.75, 1.2) * rng.uniform(0.94, 1.06, 3)
    down, right = rng.uniform(-0.2, 0.2, 2)
    return Light(gain, (float(down), float(right)))


def draw_regions(rng: np.random.Generator, shape: tuple[int, int], classes: int, sure: int) -> np.ndarray:
    """Labels (H, W) of a plane divided into regions with bent borders; class `sure` is among them."""
    number = int(rng.integers(*_REGIONS, endpoint=True))
    kinds = rng.choice(classes, number, p=_shares(classes))
    kinds[0] = sure
    seeds = rng.uniform(0, 1, (number, 2)) * shape
    rows, columns = _bent(rng, shape)
    nearest = np.hypot(rows[..., None] - seeds[:, 0], columns[..., None] - seeds[:, 1]).argmin(axis=-1)
    return kinds[nearest]


def _shares(classes: int) -> np.ndarray:
    """How often each class is drawn: the first somewhat more than the last, as in real scenes."""
    shares = np.linspace(2, 1, classes)
    return shares / shares.sum()


def draw_objects(
    rng: np.random.Generator, shape: tuple[int, int], kinds: Sequence[int], most: int = _OBJECTS[1]
) -> np.ndarray:
    """Labels (H, W): 0, and up to `most` roundish objects, each of one of `kinds`, the first of them for sure."""
    rows, columns = _bent(rng, shape)
    labels = np.zeros(shape, np.int64)
    for index in range(int(rng.integers(_OBJECTS[0], most, endpoint=True))):
        kind = kinds[0] if index == 0 else int(rng.choice(kinds))
        centre = rng.uniform(0.25, 0.75, 2) * shape
        radii = rng.uniform(0.16, 0.34, 2) * min(shape)
        labels[((rows - centre[0]) / radii[0]) ** 2 + ((columns - centre[1]) / radii[1]) ** 2 < 1] = kind
    return labels


def _bent(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Row and column (H, W) float64 of each pixel, moved a little, by amounts that vary smoothly."""
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float64)
    moved = []
    for own, other in ((rows, columns), (columns, rows)):
        shift = np.zeros(shape)
        for _ in range(3):
            period, phase = rng.uniform(0.15, 0.6) * min(shape), rng.uniform(0, 2 * np.pi, 2)
            shift += np.sin(2 * np.pi * other / period + phase[0]) * np.sin(np.pi * own / period + phase[1])
        moved.append(own + 0.03 * min(shape) * shift)
    return moved[0], moved[1]


def paint(rng: np.random.Generator, labels: np.ndarray, light: Light) -> np.ndarray:
    """The image (H, W, 3) uint8 of a scene."""
    rows, columns = np.mgrid[0 : labels.shape[0], 0 : labels.shape[1]]
    image = np.empty((*labels.shape, 3))
    for kind in np.unique(labels):
        here = labels == kind
        angle, period = kind * 2.4, 4 + kind % 5
        across = np.cos(angle) * rows[here] + np.sin(angle) * columns[here]
        texture = 22 * np.sin(2 * np.pi * across / period + rng.uniform(0, 2 * np.pi))
        noise = rng.normal(0, 6 + 5 * (kind % 3), here.sum())
        image[here] = _colour(int(kind)) + rng.normal(0, 14, 3) + (texture + noise)[:, None]
    slopes = 1 + light.slope[0] * (rows / labels.shape[0] - 0.5) + light.slope[1] * (columns / labels.shape[1] - 0.5)
    image *= slopes[..., None] * light.gain
    image += rng.normal(0, 3, image.shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _colour(kind: int) -> np.ndarray:
    """(3,) of a class, 0..255; class 0 is rather grey."""
    saturation = 0.15 if kind == 0 else 0.55
    return 255 * np.array(colorsys.hsv_to_rgb(kind * _GOLDEN % 1, saturation, 0.5 + 0.12 * (kind % 3)))


def borders(labels: np.ndarray, width: int) -> np.ndarray:
    """(H, W) bool: pixels within `width` rows or columns of another label."""
    near = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        for shift in range(1, width + 1):
            one = [slice(None)] * 2
            other = [slice(None)] * 2
            one[axis], other[axis] = slice(shift, None), slice(None, -shift)
            differ = labels[tuple(one)] != labels[tuple(other)]
            near[tuple(one)] |= differ
            near[tuple(other)] |= differ
    return near
