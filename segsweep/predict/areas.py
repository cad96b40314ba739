"""How much of each scene each class covers."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segsweep.data.dataset import IGNORE
from segsweep.predict.pixel_areas import PixelAreas
from segsweep.predict.scene import Window

COLUMNS = ("scene", "class", "pixels", "share", "hectares")
MISSING = "(no data)"
"""In the place of a class's name."""
_COUNTED_ONE_BY_ONE = 16
"""Classes, up to which that is faster than with a histogram."""
_WEIGHED = 2**16
"""Pixels whose areas are in memory at a time."""


@dataclass(frozen=True)
class Areas:
    """Of one scene."""

    scene: str
    classes: tuple[str, ...]
    pixels: np.ndarray
    """(K,) int64: pixels of each class."""
    missing: int
    """Pixels without data."""
    hectares: np.ndarray | None
    """(K,) float64: area of each class on the ground; None where the areas of pixels are not known."""
    missing_hectares: float | None
    """Area of the pixels without data; None as for `hectares`."""

    @property
    def shares(self) -> np.ndarray:
        """(K,) float64: of the pixels that have data; 0 where none has."""
        return self.pixels / max(1, self.pixels.sum())

    def rows(self) -> list[tuple[str, str, int, str, str]]:
        """As `COLUMNS`; a row for each class, and one for what is missing, whose share is left empty."""

        def written(hectares: float | None) -> str:
            return "" if hectares is None else f"{hectares:.6g}"

        areas = [None] * len(self.classes) if self.hectares is None else self.hectares.tolist()
        counted = zip(self.classes, self.pixels.tolist(), self.shares, areas, strict=True)
        rows = [(self.scene, name, pixels, f"{share:.6f}", written(area)) for name, pixels, share, area in counted]
        return [*rows, (self.scene, MISSING, self.missing, "", written(self.missing_hectares))]


class AreaCount:
    """Adds up the areas of a scene, block by block."""

    def __init__(self, classes: int, pixel_areas: PixelAreas | None):
        """`pixel_areas` is None where they are not known; then only pixels are counted."""
        self._pixels, self._missing = np.zeros(classes, np.int64), 0
        self._pixel_areas = pixel_areas
        self._hectares = np.zeros(IGNORE + 1)

    def add(self, ids: np.ndarray, window: Window) -> None:
        """Adds the pixels of a window, class ids (h, w) uint8, `IGNORE` where data are missing."""
        counts, missing = count_classes(ids, len(self._pixels))
        self._pixels, self._missing = self._pixels + counts, self._missing + missing
        if self._pixel_areas is None:
            return
        rows = max(1, _WEIGHED // window.width)
        for first in range(0, window.height, rows):
            some = ids[first : first + rows]
            top = window.top + first
            areas = self._pixel_areas.of(Window(top, top + len(some), window.left, window.right))
            weights = np.broadcast_to(areas, some.shape)
            self._hectares += np.bincount(some.ravel(), weights=weights.ravel(), minlength=IGNORE + 1)

    def areas(self, scene: str, classes: tuple[str, ...]) -> Areas:
        """What was added, of the scene of this name."""
        known = self._pixel_areas is not None
        hectares = self._hectares[: len(self._pixels)] if known else None
        missing_hectares = float(self._hectares[IGNORE]) if known else None
        return Areas(scene, classes, self._pixels, self._missing, hectares, missing_hectares)


def count_classes(ids: np.ndarray, classes: int) -> tuple[np.ndarray, int]:
    """Pixels of each class (K,) int64, and of none, in ids (h, w) uint8."""
    if classes <= _COUNTED_ONE_BY_ONE:
        counts = np.array([np.count_nonzero(ids == number) for number in range(classes)], np.int64)
        return counts, ids.size - int(counts.sum())
    counts = np.bincount(ids.ravel(), minlength=IGNORE + 1)
    return counts[:classes].astype(np.int64), int(counts[IGNORE])


def write_areas(path: Path, areas: Iterable[Areas]) -> None:
    """Writes them all as one CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for each in areas:
            writer.writerows(each.rows())
