"""The scale and offset that rasters declare for their bands: what is stored times scale, plus offset, is what is meant.

GDAL keeps them beside the pixels and does not apply them (https://gdal.org/en/stable/user/raster_data_model.html), so a
file of reflectances may hold 0..10000, and say that 0.0001 makes them 0..1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class DeclaredScale:
    """What makes the stored numbers of a raster those that are meant."""

    scales: tuple[float, ...]
    """By band, not 0."""
    offsets: tuple[float, ...]

    def apply(self, stored: np.ndarray, channels: Sequence[int] | None = None) -> np.ndarray:
        """Stored bands (C, H, W) of any numeric type as float32; `channels` says which they are, from 0; None: all."""
        meant = np.empty(stored.shape, np.float32)
        for place, channel in enumerate(range(len(stored)) if channels is None else channels):
            # In float64: 32-bit integers have more digits than float32.
            meant[place] = stored[place].astype(np.float64) * self.scales[channel] + self.offsets[channel]
        return meant


def declared_scale(raster: Any) -> DeclaredScale | None:
    """What an opened rasterio dataset declares; None where its numbers are meant as they are stored."""
    scales = tuple(float(each) for each in raster.scales)
    offsets = tuple(float(each) for each in raster.offsets)
    if all(each == 1 for each in scales) and not any(offsets):
        return None
    if not np.isfinite([*scales, *offsets]).all() or 0 in scales:
        return None
    return DeclaredScale(scales, offsets)
