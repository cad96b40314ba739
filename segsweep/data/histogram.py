"""Histogram equalization, and matching to a reference, of each band of an image (Gonzalez and Woods, chapter 3)."""

from dataclasses import dataclass

import numpy as np

from segsweep.data.no_data import has_nan, missing_in

LEVELS = 256
"""Quantiles of a reference that are kept."""
_COUNTED_AT_ONCE = 2**16


@dataclass(frozen=True, eq=False)
class Histogram:
    """What is done to each image, from its own values alone."""

    how: str
    """`equalize` or `match`."""
    table: np.ndarray | None = None
    """(C, 256) float32: quantiles 0 to 1 of the reference, for `match`."""

    @property
    def rows(self) -> tuple[tuple[float, ...], ...]:
        """The table as plain numbers; empty where there is none."""
        return () if self.table is None else tuple(tuple(map(float, band)) for band in self.table)

    def apply(self, image: np.ndarray) -> np.ndarray:
        """An image (H, W, C) of any numbers as float32: the share of pixels that are as small, from 0 to 1, for
        `equalize`; the reference's value at that share for `match`. What is no data (NaN) has no share, and stays."""
        changed = np.empty(image.shape, np.float32)
        missing = missing_in(image)
        for band in range(image.shape[-1]):
            if missing is None:
                changed[..., band] = self._changed(image[..., band], band)
                continue
            there = ~missing[..., band]
            changed[..., band] = np.nan
            if there.any():
                changed[there, band] = self._changed(image[there, band], band)
        return changed

    def _changed(self, values: np.ndarray, band: int) -> np.ndarray:
        shares, places = _shares(values)
        if self.table is not None:
            shares = np.interp(shares, np.linspace(0, 1, LEVELS), self.table[band])
        return shares[places]


def quantiles(reference: np.ndarray) -> np.ndarray:
    """The table of a reference, from pixels (..., C) of which each band has a valid value at least."""
    levels = np.linspace(0, 1, LEVELS)
    table = []
    for band in np.moveaxis(reference, -1, 0):
        there = band[~np.isnan(band)] if has_nan(band) else band
        values, counts = np.unique(there, return_counts=True)
        table.append(np.interp(levels, np.cumsum(counts) / there.size, values))
    return np.array(table, np.float32)


def _shares(band: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For values of a band, the share of pixels that are at most as large; and which of them each pixel has."""
    if np.issubdtype(band.dtype, np.unsignedinteger) and (largest := int(band.max())) < _COUNTED_AT_ONCE:
        # Counting takes a tenth of the time of sorting.
        return np.cumsum(np.bincount(band.ravel(), minlength=largest + 1)) / band.size, band
    _, places, counts = np.unique(band, return_inverse=True, return_counts=True)
    return np.cumsum(counts) / band.size, places.reshape(band.shape)
