"""What the images hold in each band, and what an integer input with one scale leaves of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from segsweep.data.dataset import Normalization, Split
from segsweep.data.no_data import missing_in
from segsweep.data.no_data import percentiles as valid_percentiles

PERCENTILES = (0.1, 1.0, 50.0, 99.0, 99.9)
"""Percent of a band's values that lie below."""
_LOW, _HIGH = PERCENTILES.index(1.0), PERCENTILES.index(99.0)
_PIXELS = 4096
"""Of each image, for percentiles, evenly spread; all else is of all pixels."""
_AT_ONCE = 16


@dataclass(frozen=True)
class InputGrid:
    """The numbers that an integer input can take, and what each band is multiplied with before."""

    scale: float
    zero_point: int
    lowest: int
    highest: int
    factors: np.ndarray = field(repr=False)
    """(C,) of the normalized bands; 1 where nothing is rescaled."""

    def codes(self, values: np.ndarray) -> np.ndarray:
        """Normalized values (..., C) as integers in float64, not yet cut to what the type holds."""
        return np.rint(values * self.factors / self.scale) + self.zero_point

    @property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """(C,) the smallest and the largest normalized value of each band that is not cut."""
        low, high = ((end - self.zero_point) * self.scale for end in (self.lowest, self.highest))
        return low / self.factors, high / self.factors


@dataclass(frozen=True)
class BandsOnGrid:
    """What a grid leaves of C bands."""

    codes: np.ndarray
    """(C,) int: integers from the one for a band's 1st percentile to the one for its 99th, both counted."""
    clipped: np.ndarray
    """(C,) share of the values that lie beyond the ends of the grid."""
    signal_to_noise: np.ndarray
    """(C,) decibels: the variance of the normalized values over the mean squared error on the grid; infinite where
    there is none, NaN for a band that is the same everywhere."""

    @property
    def bits(self) -> np.ndarray:
        """(C,) the logarithm to base 2 of `codes`: 8 at most for an int8 input."""
        return np.log2(self.codes)


@dataclass(frozen=True)
class BandStatistics:
    """Of C bands over some images."""

    images: int
    low: np.ndarray
    """(C,) smallest value, as stored."""
    high: np.ndarray
    """(C,) largest value, as stored."""
    percentiles: np.ndarray
    """(5, C) `PERCENTILES`, as stored."""
    grids: tuple[BandsOnGrid, ...] = field(repr=False)
    """One for each that was asked for."""


def band_statistics(
    split: Split, rows: np.ndarray, normalization: Normalization, grids: Sequence[InputGrid]
) -> BandStatistics:
    """Look at some images of a split, a few of them in memory at a time.

    Args:
        split: of images with C bands.
        rows: which of them; one at least.
        normalization: what the file was trained with.
        grids: of which to say what they leave.
    """
    bands = split.image_shape[2]
    low, high = np.full(bands, np.inf), np.full(bands, -np.inf)
    kept: list[np.ndarray] = []
    total, squares, count = np.zeros(bands), np.zeros(bands), np.zeros(bands, np.int64)
    clipped, noise = (np.zeros((len(grids), bands)) for _ in range(2))
    for start in range(0, len(rows), _AT_ONCE):
        images = split.read(rows[start : start + _AT_ONCE])[0]
        pixels = images.reshape(len(images), -1, bands)
        missing = missing_in(pixels)
        there = np.ones(pixels.shape, bool) if missing is None else ~missing
        stored = pixels.astype(np.float64)
        low = np.minimum(low, stored.min(axis=(0, 1), initial=np.inf, where=there))
        high = np.maximum(high, stored.max(axis=(0, 1), initial=-np.inf, where=there))
        chosen = np.linspace(0, pixels.shape[1] - 1, min(_PIXELS, pixels.shape[1])).astype(np.int64)
        kept.append(pixels[:, chosen].reshape(-1, bands).astype(np.float32))
        values = normalization.apply(images).reshape(-1, bands).astype(np.float64)
        there = there.reshape(-1, bands)
        # What is no data is 0 once it is normalized.
        total, squares, count = (
            total + values.sum(axis=0),
            squares + np.square(values).sum(axis=0),
            count + there.sum(axis=0),
        )
        for place, grid in enumerate(grids):
            codes = grid.codes(values)
            cut = np.clip(codes, grid.lowest, grid.highest)
            clipped[place] += ((codes != cut) & there).sum(axis=0)
            restored = (cut - grid.zero_point) * grid.scale / grid.factors
            noise[place] += np.square(restored - values).sum(axis=0, where=there)
    # A band without any valid value is as if it were 0 everywhere.
    low, high, count = np.where(count, low, 0), np.where(count, high, 0), np.maximum(count, 1)
    percentiles = valid_percentiles(np.concatenate(kept), PERCENTILES)
    # Of bands far from 0 the rounding of large sums makes a little of nothing.
    variance = np.where(high > low, np.maximum(squares / count - np.square(total / count), 0), 0)
    normalized = normalization.apply(percentiles)
    return BandStatistics(
        images=len(rows),
        low=low,
        high=high,
        percentiles=percentiles,
        grids=tuple(
            BandsOnGrid(_codes(grid, normalized), clipped[place] / count, _decibels(variance, noise[place] / count))
            for place, grid in enumerate(grids)
        ),
    )


def _codes(grid: InputGrid, normalized: np.ndarray) -> np.ndarray:
    codes = np.clip(grid.codes(normalized.astype(np.float64)), grid.lowest, grid.highest)
    return (codes[_HIGH] - codes[_LOW] + 1).astype(np.int64)


def _decibels(signal: np.ndarray, noise: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(signal > 0, 10 * np.log10(signal / noise), np.nan)
