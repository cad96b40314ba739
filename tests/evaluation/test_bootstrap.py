"""The paired interval, against scipy's bootstrap."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from segsweep.evaluation.bootstrap import paired_accuracy_interval


def _counts(right: np.ndarray, pixels: int) -> np.ndarray:
    counts = np.zeros((len(right), 2, 2), np.int64)
    counts[:, 0, 0] = right
    counts[:, 0, 1] = pixels - right
    return counts


def test_interval_agrees_with_scipys_percentile_bootstrap():
    rng = np.random.default_rng(1)
    baseline = rng.integers(700, 1000, 40)
    variant = baseline - rng.integers(-5, 30, 40)
    found = paired_accuracy_interval(_counts(variant, 1000), _counts(baseline, 1000), resamples=20000)
    expected = bootstrap(
        ((variant - baseline) / 1000,), np.mean, n_resamples=20000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert found.difference == pytest.approx(np.mean(variant - baseline) / 1000)
    assert found.low == pytest.approx(expected.low, abs=3e-4)
    assert found.high == pytest.approx(expected.high, abs=3e-4)
    assert not found.is_within_noise


def test_equal_predictions_are_within_noise():
    counts = _counts(np.arange(10), 100)
    found = paired_accuracy_interval(counts, counts)
    assert (found.difference, found.low, found.high) == (0, 0, 0)
    assert found.is_within_noise


def test_images_count_by_their_pixels():
    # All of the large image is lost, all of the small one won.
    baseline, variant = _counts(np.array([0, 0]), 0), _counts(np.array([0, 0]), 0)
    baseline[:, 0] = [[900, 0], [0, 100]]
    variant[:, 0] = [[0, 900], [100, 0]]
    assert paired_accuracy_interval(variant, baseline).difference == pytest.approx(-800 / 1000)
