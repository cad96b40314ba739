"""Bringing images of many sizes to one, and cutting them into patches."""

import itertools
from dataclasses import dataclass

import numpy as np
from PIL import Image

from segsweep.data.dataset import IGNORE
from segsweep.data.no_data import missing_in

_PILLOW_BANDS = (1, 3, 4)
"""How many bands of 8 bits one picture of Pillow holds."""


@dataclass(frozen=True)
class Fit:
    """The size of all images, and how they are brought to it."""

    size: tuple[int, int] | None
    """Height and width; None where images stay as they are."""
    how: str
    """`resize`, `crop` or `pad`."""


@dataclass(frozen=True)
class _Placement:
    box: tuple[float, float, float, float]
    """Left, top, right and bottom of what is used of the image, in its pixels."""
    inner: tuple[int, int]
    """Height and width that the box is scaled to."""


def _placement(shape: tuple[int, int], size: tuple[int, int], how: str) -> _Placement:
    height, width = shape
    whole = (0.0, 0.0, float(width), float(height))
    scales = size[0] / height, size[1] / width
    if how == "pad":
        scale = min(scales)
        inner = min(size[0], max(1, round(height * scale))), min(size[1], max(1, round(width * scale)))
        return _Placement(whole, inner)
    if how == "crop":
        scale = max(scales)
        used = size[0] / scale, size[1] / scale
        top, left = (height - used[0]) / 2, (width - used[1]) / 2
        return _Placement((left, top, min(left + used[1], width), min(top + used[0], height)), size)
    return _Placement(whole, size)


def fit_image(image: np.ndarray, fit: Fit, *, rounded: bool = False) -> np.ndarray:
    """An image (H, W, C) brought to the size by linear interpolation (averaged where it shrinks); keeps its type.

    `rounded`: whether it holds integers though its type is floating, because NaN marks what is no data in it.
    """
    if fit.size is None or image.shape[:2] == fit.size:
        return image
    if image.dtype == np.uint8 and image.shape[2] in _PILLOW_BANDS:
        return fit_picture(Image.fromarray(image[..., 0] if image.shape[2] == 1 else image), fit)
    place = _placement(image.shape[:2], fit.size, fit.how)
    size = place.inner[::-1]
    bands = [resized_band(band, size, place.box) for band in np.moveaxis(image.astype(np.float32), -1, 0)]
    scaled = np.stack(bands, axis=-1)
    return pad_to((np.rint(scaled) if rounded or image.dtype.kind in "iu" else scaled).astype(image.dtype), fit.size)


def resized_band(band: np.ndarray, size: tuple[int, int], box: tuple[float, float, float, float]) -> np.ndarray:
    """The part `box` of a band (h, w) float32 brought to `size` (width, height) by linear interpolation.

    What is no data (NaN) does not spread: it has no weight, and is where the nearest pixel is no data.
    """
    missing = missing_in(band)
    if missing is None:
        return np.asarray(Image.fromarray(band).resize(size, Image.Resampling.BILINEAR, box))
    values, weights = (
        np.asarray(Image.fromarray(each.astype(np.float32)).resize(size, Image.Resampling.BILINEAR, box))
        for each in (np.where(missing, 0, band), ~missing)
    )
    gone = np.asarray(Image.fromarray(missing.astype(np.uint8)).resize(size, Image.Resampling.NEAREST, box)) != 0
    return np.where(gone | (weights <= 0), np.float32(np.nan), values / np.where(weights > 0, weights, 1))


def fit_picture(picture: Image.Image, fit: Fit) -> np.ndarray:
    """The same of a picture of 8 bits a band that Pillow holds: (H, W, C) uint8."""
    if fit.size is not None and (picture.height, picture.width) != fit.size:
        place = _placement((picture.height, picture.width), fit.size, fit.how)
        # Pillow weighs RGB by the fourth band, as if that were transparency; here it is a band like the others.
        bands = picture.split() if picture.mode == "RGBA" else [picture]
        bands = [band.resize(place.inner[::-1], Image.Resampling.BILINEAR, place.box) for band in bands]
        picture = Image.merge("RGBA", bands) if len(bands) > 1 else bands[0]
    array = np.asarray(picture)
    return pad_to(array.reshape(*array.shape[:2], -1), fit.size or array.shape[:2])


def fit_labels(labels: np.ndarray, fit: Fit) -> np.ndarray:
    """Labels (H, W) uint8 brought to the size by the nearest neighbour, `IGNORE` where the image was filled up."""
    if fit.size is None or labels.shape == fit.size:
        return labels
    return pad_to(np.asarray(scale_mask(Image.fromarray(labels), fit)), fit.size)


def scale_mask(mask: Image.Image, fit: Fit) -> Image.Image:
    """A mask of any mode scaled, by the nearest neighbour, and not filled up yet."""
    if fit.size is None or (mask.height, mask.width) == fit.size:
        return mask
    place = _placement((mask.height, mask.width), fit.size, fit.how)
    return mask.resize(place.inner[::-1], Image.Resampling.NEAREST, place.box)


def pad_to(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Filled up to at least `size` at the bottom and the right: images (H, W, C) by reflection, labels by `IGNORE`."""
    edges = [(0, max(0, size[0] - array.shape[0])), (0, max(0, size[1] - array.shape[1]))]
    if not any(after for _, after in edges):
        return array
    if array.ndim == 2:
        return np.pad(array, edges, constant_values=IGNORE)
    return np.pad(array, [*edges, (0, 0)], mode="reflect")


@dataclass(frozen=True)
class CountedPart:
    """Rows and columns of a patch, from its upper left pixel, that count; the rest counts in other patches."""

    top: int
    bottom: int
    """The last row + 1."""
    left: int
    right: int
    """The last column + 1."""

    def only(self, labels: np.ndarray) -> np.ndarray:
        """Labels (H, W) uint8 of the patch, `IGNORE` outside of the part."""
        rows, columns = slice(self.top, self.bottom), slice(self.left, self.right)
        kept = np.full_like(labels, IGNORE)
        kept[rows, columns] = labels[rows, columns]
        return kept


@dataclass(frozen=True)
class Patches:
    """How images are cut."""

    size: int | None
    """Height and width of a patch; None where images stay whole."""
    stride: int | None
    """Pixels from one to the next; None for `size`."""

    def corners(self, shape: tuple[int, int]) -> list[tuple[int, int]]:
        """Row and column of the upper left pixel of each patch of an image of `shape`; [(0, 0)] for the whole image."""
        if self.size is None:
            return [(0, 0)]
        rows, columns = (self._starts(length) for length in shape)
        return [(row, column) for row in rows for column in columns]

    def counted(self, shape: tuple[int, int]) -> list["CountedPart"]:
        """For each of `corners`, the part of its patch whose pixels are counted there.

        A pixel that lies in several patches is counted in the one in whose middle it lies most: the parts of all
        patches cover the image without overlap.
        """
        if self.size is None:
            return [CountedPart(0, shape[0], 0, shape[1])]
        rows, columns = (self._parts(length) for length in shape)
        return [CountedPart(*row, *column) for row in rows for column in columns]

    def overlap(self, shape: tuple[int, int]) -> bool:
        """Whether pixels of an image of `shape` lie in several patches."""
        if self.size is None:
            return False
        starts = [self._starts(length) for length in shape]
        return any(after - before < self.size for each in starts for before, after in itertools.pairwise(each))

    def _parts(self, length: int) -> list[tuple[int, int]]:
        """First and last + 1 of the pixels, from the start of the patch, that are counted in each patch of a row."""
        assert self.size is not None
        starts = self._starts(length)
        # Midway between the middles of two patches; where both are as near, the first one counts.
        cuts = [(before + after + self.size - 1) // 2 + 1 for before, after in itertools.pairwise(starts)]
        begins = [max(start, cut) - start for start, cut in zip(starts, [0, *cuts], strict=True)]
        ends = [min(self.size, cut - start) for start, cut in zip(starts, [*cuts, starts[-1] + self.size], strict=True)]
        return list(zip(begins, ends, strict=True))

    def _starts(self, length: int) -> list[int]:
        assert self.size is not None
        last = max(0, length - self.size)
        return [*range(0, last, self.stride or self.size), last]

    def prepare(self, array: np.ndarray) -> np.ndarray:
        """An image or labels, filled up where smaller than a patch."""
        return array if self.size is None else pad_to(array, (self.size, self.size))

    def cut(self, array: np.ndarray, corner: tuple[int, int]) -> np.ndarray:
        """The patch at a corner of what `prepare` gave."""
        if self.size is None:
            return array
        row, column = corner
        return array[row : row + self.size, column : column + self.size]

    def prepare_all(self, arrays: np.ndarray) -> np.ndarray:
        """Arrays (N, H, W, ...), each prepared; themselves where they are large enough."""
        if self.size is None or min(arrays.shape[1:3]) >= self.size:
            return arrays
        return np.stack([self.prepare(array) for array in arrays])
