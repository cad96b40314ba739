"""Intervals over groups of images, against SciPy's t interval, its kurtosis and its exact test, and by hand."""

import time

import numpy as np
import pytest
from scipy import stats

from segsweep.evaluation.bootstrap import Interval, paired_interval
from segsweep.evaluation.confusion import accuracies, count_confusions, mean_dices, mean_ious, scores
from segsweep.evaluation.image_counts import ImageCounts
from segsweep.evaluation.score_interval import score_interval


def _counts(right: np.ndarray, pixels: int) -> np.ndarray:
    counts = np.zeros((len(right), 2, 2), np.int64)
    counts[:, 0, 0] = right
    counts[:, 0, 1] = pixels - right
    return counts


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    """(40,) pixels of 1,000 that two files get right in each image."""
    rng = np.random.default_rng(1)
    baseline = rng.integers(700, 970, 40)
    return baseline + rng.integers(-5, 30, 40), baseline


def _expected(shares: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """Mean of shares (G,) and its t interval, with the degrees of freedom that their kurtosis leaves."""
    count = len(shares)
    freedom = min(2 * count / (stats.kurtosis(shares, fisher=False) - (count - 3) / (count - 1)), count - 1)
    return shares.mean(), *stats.t.interval(level, freedom, loc=shares.mean(), scale=stats.sem(shares))


def _tuple(interval: Interval | None) -> tuple[float, float, float]:
    assert interval is not None
    return interval.difference, interval.low, interval.high


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_accuracy_of_equal_images_has_the_t_interval_of_scipy(pair, level):
    variant, baseline = pair
    found = paired_interval(_counts(variant, 1000), _counts(baseline, 1000), accuracies, level=level)
    shares = (variant - baseline) / 1000
    expected = stats.ttest_1samp(shares, 0).confidence_interval(level)
    assert _tuple(found) == pytest.approx((shares.mean(), expected.low, expected.high))
    assert found.groups == 40
    assert not found.is_within_noise


def test_a_score_of_equal_images_has_the_t_interval_of_scipy(pair):
    found = score_interval(_counts(pair[0], 1000), accuracies)
    shares = pair[0] / 1000
    mean = shares.mean()
    # The delta method: the standard error of the logit is that of the share over its derivative.
    error = stats.sem(shares) / (mean * (1 - mean))
    low, high = stats.t.interval(0.95, 39, loc=np.log(mean / (1 - mean)), scale=error)
    assert _tuple(found) == pytest.approx((mean, 1 / (1 + np.exp(-low)), 1 / (1 + np.exp(-high))))


def test_degrees_of_freedom_come_from_the_kurtosis_of_scipy(pair):
    variant, baseline = pair
    variant = variant.copy()
    variant[:2] -= 400
    found = paired_interval(_counts(variant, 1000), _counts(baseline, 1000), accuracies)
    shares = (variant - baseline) / 1000
    assert _tuple(found) == pytest.approx(_expected(shares))
    assert found.high - found.low > 1.2 * np.diff(stats.ttest_1samp(shares, 0).confidence_interval())


@pytest.mark.parametrize("changed", [1, 2, 3, 4, 6, 7, 8, 12])
def test_few_of_many_images_that_change_alike_are_judged_as_by_an_exact_test(changed):
    # Between 4 and 6 the exact test turns; 199 degrees of freedom would take 4 of 200 for more than noise.
    baseline, variant = _counts(np.zeros(200), 1), _counts(np.arange(200) < changed, 1)
    exact = stats.binomtest(changed, changed).pvalue
    assert paired_interval(variant, baseline, accuracies).is_within_noise == (exact > 0.05)


def test_groups_of_equal_size_count_as_one_observation_each(pair):
    variant, baseline = pair
    groups = np.arange(40) % 8 - 3
    found = paired_interval(_counts(variant, 1000), _counts(baseline, 1000), accuracies, groups=groups)
    shares = np.array([(variant - baseline)[groups == group].mean() for group in np.unique(groups)]) / 1000
    assert _tuple(found) == pytest.approx(_expected(shares))
    assert found.groups == 8
    by_image = score_interval(_counts(variant, 1000), accuracies, groups=groups)
    by_group = score_interval(_counts(variant.reshape(5, 8).sum(axis=0), 5000), accuracies)
    assert by_image == by_group


def test_groups_without_a_counted_pixel_are_no_groups(pair):
    variant, baseline = (_counts(each[:8], 1000) for each in pair)
    groups = np.array([0, 1, 2, 3, 4, 5, 5, 6])
    expected = paired_interval(variant[:7], baseline[:7], accuracies, groups=groups[:7])
    variant[7] = baseline[7] = 0
    found = paired_interval(variant, baseline, accuracies, groups=groups)
    assert found == expected
    assert found.groups == 6
    variant[6] = baseline[6] = 0
    assert paired_interval(variant, baseline, accuracies, groups=groups).groups == 6
    variant[5] = baseline[5] = 0
    assert paired_interval(variant, baseline, accuracies, groups=groups) is None


def test_fewer_than_six_groups_have_no_interval(pair):
    variant, baseline = (_counts(each, 1000) for each in pair)
    assert paired_interval(variant[:6], baseline[:6], accuracies) is not None
    assert paired_interval(variant[:5], baseline[:5], accuracies) is None
    assert paired_interval(variant, baseline, accuracies, groups=np.arange(40) % 5) is None
    assert score_interval(variant[:5], accuracies) is None
    assert score_interval(variant, accuracies, groups=np.arange(40) % 5) is None
    assert paired_interval(variant[:0], baseline[:0], accuracies) is None


def test_equal_predictions_are_within_noise():
    counts = _counts(np.arange(10), 100)
    found = paired_interval(counts, counts, mean_ious)
    assert _tuple(found) == (0, 0, 0)
    assert found.is_within_noise


def test_images_count_by_their_pixels():
    # All of a large image is lost, all of the small ones won.
    baseline, variant = np.zeros((2, 7, 2, 2), np.int64)
    baseline[:, 0] = [[900, 0], *[[0, 100]] * 6]
    variant[:, 0] = [[0, 900], *[[100, 0]] * 6]
    assert paired_interval(variant, baseline, accuracies).difference == pytest.approx(-300 / 1500)


def test_a_class_of_one_group_leaves_the_mean_of_both_files_together():
    rng = np.random.default_rng(2)
    files = rng.integers(0, 9, (2, 8, 3, 3)) + 50 * np.eye(3, dtype=np.int64)
    files[:, 1:, 2] = 0
    # The variant finds the class in images where it is not: without image 0, that must not enter its mean as 0.
    files[1, :, :, 2] = 0
    found = paired_interval(files[0], files[1], mean_ious)
    assert np.isfinite(_tuple(found)).all()
    without = [
        scores(np.delete(files[0], left_out, axis=0)).mean_iou - scores(np.delete(files[1], left_out, axis=0)).mean_iou
        for left_out in range(8)
    ]
    error = np.sqrt(7 / 8 * np.square(np.array(without) - np.mean(without)).sum())
    difference = scores(files[0]).mean_iou - scores(files[1]).mean_iou
    freedom = min(2 * 8 / (stats.kurtosis(without, fisher=False) - 5 / 7), 7)
    expected = difference + error * np.array([0, *stats.t.interval(0.95, freedom)])
    assert _tuple(found) == pytest.approx(expected)


def test_intervals_stay_where_scores_are():
    right = np.array([1000] * 11 + [0])
    found = score_interval(_counts(right, 1000), accuracies)
    assert 0 < found.low < found.difference < found.high < 1
    assert paired_interval(_counts(right, 1000), _counts(right * 0, 1000), accuracies).high == 1
    assert paired_interval(_counts(right * 0, 1000), _counts(right, 1000), accuracies).low == -1


def test_a_score_without_an_error_has_no_interval():
    right = np.full(20, 1000)
    assert score_interval(_counts(right, 1000), accuracies) is None
    assert score_interval(_counts(right * 0, 1000), mean_ious) is None


def test_arrays_and_sparse_counts_give_the_same(pair):
    variant, baseline = (_counts(each, 1000) for each in pair)
    sparse = [ImageCounts.of(each) for each in (variant, baseline)]
    assert paired_interval(*sparse, mean_ious) == paired_interval(variant, baseline, mean_ious)


def test_counts_and_groups_of_other_images_are_refused(pair):
    variant, baseline = (_counts(each, 1000) for each in pair)
    with pytest.raises(ValueError, match="different images"):
        paired_interval(variant, baseline[1:], accuracies)
    with pytest.raises(ValueError, match="groups of shape"):
        paired_interval(variant, baseline, accuracies, groups=np.arange(39))


def test_scores_of_many_matrices_are_those_of_each():
    totals = np.random.default_rng(5).integers(0, 9, (6, 4, 4)).astype(float)
    totals[2, 1] = totals[2, :, 1] = 0
    totals[3, 1] = 0
    np.testing.assert_allclose(accuracies(totals), [scores(each).accuracy for each in totals])
    np.testing.assert_allclose(mean_ious(totals), [scores(each).mean_iou for each in totals])
    np.testing.assert_allclose(mean_dices(totals), [scores(each).mean_dice for each in totals])


@pytest.mark.parametrize(("classes", "pixels"), [(20, 400), (100, 1)], ids=["masks", "whole images"])
def test_two_thousand_images_take_less_than_a_second(classes, pixels):
    rng = np.random.default_rng(6)

    def part() -> ImageCounts:
        truth, predicted = rng.integers(0, classes, (2, 100, 1, pixels)).astype(np.uint8)
        return ImageCounts.of(count_confusions(truth, predicted, classes))

    one, other = (ImageCounts.joined([part() for _ in range(20)]) for _ in range(2))
    started = time.perf_counter()
    assert paired_interval(one, other, mean_ious).groups == 2000
    assert time.perf_counter() - started < 1
