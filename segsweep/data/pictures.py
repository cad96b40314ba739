"""Images and labels as pictures for people."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from segsweep.data.dataset import IGNORE
from segsweep.data.no_data import missing_in, percentiles

GREY = (128, 128, 128)
"""What counts nowhere."""
_LOW, _HIGH = 2, 98
"""Percentiles of a band that are shown black and at full brightness."""
_GAP = 4
_SMALLEST = 96
"""Tiles of fewer pixels are enlarged, where nothing else is asked for."""


def limits(image: np.ndarray, rgb: Sequence[int]) -> np.ndarray:
    """The values (2, 3) that are shown black and at full brightness, of an image (H, W, C)."""
    return percentiles(image[..., list(rgb)], (_LOW, _HIGH))


def true_colour(image: np.ndarray, rgb: Sequence[int], between: np.ndarray | None = None) -> np.ndarray:
    """An image (H, W, C) of any numbers as (H, W, 3) uint8, its bands `rgb` stretched `between` limits or its own; what
    is no data (NaN) half as bright as can be."""
    low, high = limits(image, rgb) if between is None else between
    share = (image[..., list(rgb)] - low) / np.where(high > low, high - low, 1)
    missing = missing_in(share)
    if missing is not None:
        share[missing] = 0.5
    return (255 * share.clip(0, 1)).astype(np.uint8)


def coloured(labels: np.ndarray, palette: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """Labels (H, W) uint8 in the colours of their classes, (H, W, 3) uint8; `IGNORE` grey."""
    colours = np.full((IGNORE + 1, 3), GREY, np.uint8)
    colours[: len(palette)] = palette
    return colours[labels]


def mosaic(rows: Sequence[Sequence[np.ndarray]], width: int, smallest: int = _SMALLEST) -> Image.Image:
    """Pictures (H, W, 3) uint8 of one size side by side, `width` pixels wide at most, on white.

    Those narrower than `smallest` are enlarged by a whole number, as far as there is room.
    """
    height, side, _ = rows[0][0].shape
    columns = len(rows[0])
    room = (width - (columns - 1) * _GAP) // columns
    if side > room:
        size = (room, max(1, round(height * room / side)))
    else:
        times = max(1, min(room // side, -(-smallest // side)))
        size = (side * times, height * times)
    canvas = Image.new("RGB", (columns * (size[0] + _GAP) - _GAP, len(rows) * (size[1] + _GAP) - _GAP), (255, 255, 255))
    for row, pictures in enumerate(rows):
        for column, picture in enumerate(pictures):
            # Nearest: between two classes there is no third.
            tile = Image.fromarray(picture).resize(size, Image.Resampling.NEAREST)
            canvas.paste(tile, (column * (size[0] + _GAP), row * (size[1] + _GAP)))
    return canvas


def png(picture: Image.Image) -> bytes:
    """The picture as the bytes of a PNG file."""
    file = io.BytesIO()
    picture.save(file, format="PNG")
    return file.getvalue()
