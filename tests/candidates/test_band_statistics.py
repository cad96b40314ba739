"""What an integer input leaves of bands, by hand."""

import numpy as np
import pytest

from segsweep.candidates.bands.audit import CLIPPED, COARSE, CONSTANT, FINE, LOST, verdict
from segsweep.candidates.bands.statistics import InputGrid, band_statistics
from segsweep.data.dataset import ArraySplit, Normalization


def split_of(*bands: np.ndarray) -> ArraySplit:
    """Images (2, 10, 10, C) of bands of 200 numbers."""
    images = np.stack([band.reshape(2, 10, 10) for band in bands], axis=-1)
    return ArraySplit(images, np.zeros(images.shape[:3], np.uint8))


def look(split: ArraySplit, grid: InputGrid, mean=0.0, std=1.0):
    bands = split.image_shape[2]
    normalization = Normalization(np.full(bands, mean, np.float32), np.full(bands, std, np.float32))
    return band_statistics(split, np.arange(2), normalization, [grid])


def test_codes_noise_and_clipping_by_hand():
    whole = np.arange(200.0) - 100  # -100 ... 99, each once
    halves = np.tile([0.0, 0.5, 1.0, 1.5], 50)
    far = np.where(np.arange(200) < 5, 1000.0, 7.0)
    found = look(split_of(whole, halves, far), InputGrid(1.0, 0, -128, 127, np.ones(3)))
    (grid,) = found.grids
    assert found.low.tolist() == [-100, 0, 7]
    assert found.high.tolist() == [99, 1.5, 1000]
    # 1 % of 199 steps from the lowest: -98.01; 99 %: 97.01.
    np.testing.assert_allclose(found.percentiles[[1, 2, 3], 0], [-98.01, -0.5, 97.01])
    assert grid.codes.tolist() == [97 + 98 + 1, 2 - 0 + 1, 127 - 7 + 1]
    np.testing.assert_allclose(grid.bits, np.log2([196, 3, 121]))
    np.testing.assert_allclose(grid.clipped, [0, 0, 5 / 200])
    assert grid.signal_to_noise[0] == np.inf
    # 0, 0.5 -> 0, 1, 1.5 -> 2: half of them are 0.5 off; the variance of 0, 0.5, 1, 1.5 is 0.3125.
    assert grid.signal_to_noise[1] == pytest.approx(10 * np.log10(0.3125 / 0.125))
    # 5 of 200 are cut from 1000 to 127.
    variance = 0.025 * 0.975 * 993**2
    assert grid.signal_to_noise[2] == pytest.approx(10 * np.log10(variance / (0.025 * 873**2)))


def test_normalization_and_factors_come_before_the_grid():
    values = np.arange(200.0)
    split = split_of(values, values)
    # (x - 100) / 50 is -2 ... 1.98, times 4 in the second band: -8 ... 7.92, in steps of 1/8.
    found = look(split, InputGrid(1 / 8, 3, -128, 127, np.array([1.0, 4.0])), mean=100.0, std=50.0)
    (grid,) = found.grids
    # The percentiles 1.99 and 197.01 are -1.9602 and 1.9402: times 8, -15.68 and 15.52; times 32, -62.7 and 62.1.
    assert grid.codes.tolist() == [16 + 16 + 1, 62 + 63 + 1]
    assert found.percentiles[1, 0] == pytest.approx(1.99)
    low, high = InputGrid(1 / 8, 3, -128, 127, np.array([1.0, 4.0])).ends
    np.testing.assert_allclose(low, [-131 / 8, -131 / 32])
    np.testing.assert_allclose(high, [124 / 8, 124 / 32])


def test_noise_of_an_even_spread_is_a_twelfth_of_the_step_squared():
    values = np.random.default_rng(0).uniform(-1, 1, 200_000)
    split = ArraySplit(values.reshape(2, 100, 1000, 1), np.zeros((2, 100, 1000), np.uint8))
    (grid,) = look(split, InputGrid(2 / 255, 0, -128, 127, np.ones(1))).grids
    assert grid.signal_to_noise[0] == pytest.approx(10 * np.log10((4 / 12) / ((2 / 255) ** 2 / 12)), abs=0.05)
    # 98 % of 255 steps.
    assert grid.codes[0] == pytest.approx(0.98 * 255, abs=2)


def test_a_band_that_is_the_same_everywhere_has_one_code_and_no_noise_to_speak_of():
    found = look(split_of(np.full(200, 1234.5)), InputGrid(1.0, 0, -128, 127, np.ones(1)), mean=1234.5)
    assert found.grids[0].codes.tolist() == [1]
    assert np.isnan(found.grids[0].signal_to_noise[0])


@pytest.mark.parametrize(
    ("bits", "clipped", "is_constant", "said"),
    [
        (0.0, 0.0, True, CONSTANT),
        (2.99, 0.5, False, LOST),
        (3.0, 0.0, False, COARSE),
        (3.0, 0.02, False, CLIPPED),
        (5.0, 0.01, False, FINE),
    ],
)
def test_the_worst_is_said(bits, clipped, is_constant, said):
    assert verdict(bits, clipped, is_constant=is_constant, least_bits=3) == said
