"""A scene: an image of any size that is read by windows, and what its file says about it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from segsweep.data.no_data import LARGEST as LARGEST_NUMBER
from segsweep.data.no_data import equal_to
from segsweep.predict.pixel_areas import PixelAreas

LARGEST = 2**33
"""Pixels of a scene; a file that says to have more is taken for damaged or an attack."""
LARGEST_BLOCK = 2**30
"""Bytes that must be in memory at once to read anything."""


@dataclass(frozen=True)
class Window:
    """Some rows and columns, from one to before another."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left


@dataclass(frozen=True)
class Place:
    """Where on Earth a scene lies."""

    crs: Any
    """rasterio's coordinate reference system; None where only the transform is known."""
    transform: Any
    """Affine, from column and row to coordinates; None where there is none."""
    areas: PixelAreas | None
    """Of the pixels; None where they are not known, which a note of the scene then says."""
    points: tuple[Any, ...] = ()
    """rasterio's ground control points, in place of a transform."""
    rational: Any = None
    """rasterio's rational polynomials (RPC), beside a transform or in its place."""


class Reader(Protocol):
    """An opened scene; for one thread."""

    def read(self, window: Window, channels: tuple[int, ...]) -> np.ndarray:
        """Pixels (C, h, w) as stored of these bands, counted from 0."""

    def invalid(self, pixels: np.ndarray, window: Window, channels: tuple[int, ...]) -> np.ndarray | None:
        """Which values of these pixels (C, h, w), of these bands, are no data: (C, h, w) bool; None where none is."""


@dataclass(frozen=True)
class Scene:
    """What is known of a scene before it is read."""

    path: Path
    """The file it is in."""
    name: str
    """What its outputs are called."""
    height: int
    width: int
    bands: int
    dtype: str
    opened: Callable[[], AbstractContextManager[Reader]] = field(repr=False)
    band_names: tuple[str, ...] = ()
    """Empty where the file does not name them."""
    place: Place | None = None
    is_raster: bool = False
    """Whether its maps are rasters too, and not pictures."""
    notes: tuple[str, ...] = ()
    """What the user should know, a sentence each."""
    turned: bool = False
    """Whether the file is stored otherwise than upright, as which it is read."""
    as_stored: "Scene | None" = None
    """Where the file declares a scale or an offset of its values: the scene without them. None: it declares none."""

    @property
    def whole(self) -> Window:
        return Window(0, self.height, 0, self.width)


def invalid_numbers(pixels: np.ndarray, nodata: float | None) -> np.ndarray | None:
    """Which values of pixels (C, h, w) are `nodata` or no finite 32-bit number, (C, h, w) bool; None where none is."""
    return either(equal_to(pixels, nodata), not_finite(pixels))


def not_finite(pixels: np.ndarray) -> np.ndarray | None:
    """Which values are NaN, infinite or beyond 32-bit floats; None where none is."""
    if pixels.dtype.kind != "f":
        return None
    finite = np.abs(pixels) <= LARGEST_NUMBER
    return None if finite.all() else ~finite


def either(one: np.ndarray | None, other: np.ndarray | None) -> np.ndarray | None:
    """What is true in one of them; None where nothing is."""
    found = [each for each in (one, other) if each is not None and each.any()]
    return np.logical_or.reduce(found) if found else None


def missing_pixels(invalid: np.ndarray | None) -> np.ndarray | None:
    """Which pixels, (h, w) bool, have no data in any band, by what is `invalid` (C, h, w); None where all have some."""
    if invalid is None:
        return None
    missing = np.asarray(invalid.all(axis=0))
    return missing if missing.any() else None
