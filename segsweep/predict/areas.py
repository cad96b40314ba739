"""How much of each scene each class covers."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segsweep.data.dataset import IGNORE

COLUMNS = ("scene", "class", "pixels", "share", "hectares")
MISSING = "(no data)"
"""In the place of a class's name."""
_COUNTED_ONE_BY_ONE = 16
"""Classes, up to which that is faster than with a histogram."""


@dataclass(frozen=True)
class Areas:
    """Of one scene."""

    scene: str
    classes: tuple[str, ...]
    pixels: np.ndarray
    """(K,) int64: pixels of each class."""
    missing: int
    """Pixels without data."""
    hectares: float | None
    """Of a pixel, where that is known."""

    @property
    def shares(self) -> np.ndarray:
        """(K,) float64: of the pixels that have data; 0 where none has."""
        return self.pixels / max(1, self.pixels.sum())

    def rows(self) -> list[tuple[str, str, int, str, str]]:
        """As `COLUMNS`; a row for each class, and one for what is missing, whose share is left empty."""

        def area(pixels: int) -> str:
            return "" if self.hectares is None else f"{pixels * self.hectares:.6g}"

        counted = zip(self.classes, self.pixels.tolist(), self.shares, strict=True)
        rows = [(self.scene, name, pixels, f"{share:.6f}", area(pixels)) for name, pixels, share in counted]
        return [*rows, (self.scene, MISSING, self.missing, "", area(self.missing))]


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
