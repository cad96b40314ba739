"""The paired interval, against scipy's bootstrap and the scores of confusion.py."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from segsweep.evaluation.bootstrap import accuracies, mean_ious, paired_interval
from segsweep.evaluation.confusion import scores


def _counts(right: np.ndarray, pixels: int) -> np.ndarray:
    counts = np.zeros((len(right), 2, 2), np.int64)
    counts[:, 0, 0] = right
    counts[:, 0, 1] = pixels - right
    return counts


def test_interval_of_accuracy_agrees_with_scipys_percentile_bootstrap():
    rng = np.random.default_rng(1)
    baseline = rng.integers(700, 1000, 40)
    variant = baseline - rng.integers(-5, 30, 40)
    found = paired_interval(_counts(variant, 1000), _counts(baseline, 1000), accuracies, resamples=20000)
    expected = bootstrap(
        ((variant - baseline) / 1000,), np.mean, n_resamples=20000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert found.difference == pytest.approx(np.mean(variant - baseline) / 1000)
    assert found.low == pytest.approx(expected.low, abs=3e-4)
    assert found.high == pytest.approx(expected.high, abs=3e-4)
    assert not found.is_within_noise


def test_interval_of_mean_iou_agrees_with_scipys_paired_bootstrap():
    rng = np.random.default_rng(3)
    baseline = rng.integers(0, 50, (30, 3, 3)) + 200 * np.eye(3, dtype=np.int64)
    variant = rng.integers(0, 60, (30, 3, 3)) + 190 * np.eye(3, dtype=np.int64)

    def difference(drawn, axis=None):
        return scores(variant[drawn]).mean_iou - scores(baseline[drawn]).mean_iou

    expected = bootstrap(
        (np.arange(30),),
        difference,
        n_resamples=5000,
        vectorized=False,
        method="percentile",
        rng=np.random.default_rng(4),
    ).confidence_interval
    found = paired_interval(variant, baseline, mean_ious, resamples=5000)
    assert found.difference == pytest.approx(difference(np.arange(30)))
    assert found.low == pytest.approx(expected.low, abs=1.5e-3)
    assert found.high == pytest.approx(expected.high, abs=1.5e-3)


def test_scores_of_many_matrices_are_those_of_each():
    totals = np.random.default_rng(5).integers(0, 9, (6, 4, 4)).astype(float)
    totals[2, 1] = totals[2, :, 1] = 0
    np.testing.assert_allclose(accuracies(totals), [scores(each).accuracy for each in totals])
    np.testing.assert_allclose(mean_ious(totals), [scores(each).mean_iou for each in totals])


def test_equal_predictions_are_within_noise():
    counts = _counts(np.arange(10), 100)
    found = paired_interval(counts, counts, accuracies)
    assert (found.difference, found.low, found.high) == (0, 0, 0)
    assert found.is_within_noise


def test_images_count_by_their_pixels():
    # All of the large image is lost, all of the small one won.
    baseline, variant = _counts(np.array([0, 0]), 0), _counts(np.array([0, 0]), 0)
    baseline[:, 0] = [[900, 0], [0, 100]]
    variant[:, 0] = [[0, 900], [100, 0]]
    assert paired_interval(variant, baseline, accuracies).difference == pytest.approx(-800 / 1000)
