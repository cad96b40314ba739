"""The table of bands is of values that are data."""

import numpy as np

from segsweep.candidates.bands.statistics import InputGrid, band_statistics
from segsweep.data.dataset import ArraySplit, Normalization


def holes(count: int = 5) -> np.ndarray:
    rng = np.random.default_rng(0)
    images = rng.normal(500, [20, 60], (count, 16, 16, 2)).astype(np.float32)
    images[::2, :5] = np.nan
    images[1, 8:, :, 1] = np.nan
    return images


def test_the_table_of_bands_is_of_valid_values():
    images = holes()
    split = ArraySplit(images, np.zeros(images.shape[:3], np.uint8))
    normalization = Normalization(np.array([400, 500], np.float32), np.array([20, 60], np.float32))
    grid = InputGrid(scale=0.02, zero_point=0, lowest=-128, highest=127, factors=np.ones(2))
    found = band_statistics(split, np.arange(5), normalization, [grid])
    pixels = images.reshape(-1, 2).astype(np.float64)
    np.testing.assert_allclose(found.low, np.nanmin(pixels, axis=0))
    np.testing.assert_allclose(found.high, np.nanmax(pixels, axis=0))
    np.testing.assert_allclose(found.percentiles, np.nanpercentile(pixels, (0.1, 1, 50, 99, 99.9), axis=0), rtol=1e-6)
    values = (pixels - [400, 500]) / [20, 60]
    codes = np.rint(values / 0.02)
    there = ~np.isnan(codes)
    clipped = np.sum((codes > 127) | (codes < -128), axis=0) / there.sum(axis=0)
    np.testing.assert_allclose(found.grids[0].clipped, clipped)
    noise = np.nanmean(np.square(np.clip(codes, -128, 127) * 0.02 - values), axis=0)
    np.testing.assert_allclose(
        found.grids[0].signal_to_noise, 10 * np.log10(np.nanvar(values, axis=0) / noise), atol=1e-4
    )
