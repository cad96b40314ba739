"""Confusion counts and scores, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, jaccard_score, precision_score, recall_score

from segsweep.data.dataset import IGNORE
from segsweep.evaluation.confusion import count_confusions, scores

CLASSES = 4


@pytest.fixture
def masks() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, CLASSES, (5, 7, 9)).astype(np.uint8)
    truth[rng.random(truth.shape) < 0.2] = IGNORE
    predicted = rng.integers(0, CLASSES, truth.shape).astype(np.uint8)
    return truth, predicted


def test_counts_of_each_image_equal_scikit_learns(masks):
    truth, predicted = masks
    counts = count_confusions(truth, predicted, CLASSES)
    assert counts.dtype == np.int64
    for image in range(len(truth)):
        counted = truth[image] != IGNORE
        expected = confusion_matrix(truth[image][counted], predicted[image][counted], labels=range(CLASSES))
        np.testing.assert_array_equal(counts[image], expected)


def test_scores_of_all_images_equal_scikit_learns(masks):
    truth, predicted = masks
    counted = truth != IGNORE
    found = scores(count_confusions(truth, predicted, CLASSES))
    assert found.accuracy == pytest.approx(accuracy_score(truth[counted], predicted[counted]))
    np.testing.assert_allclose(found.iou, jaccard_score(truth[counted], predicted[counted], average=None))
    np.testing.assert_allclose(found.dice, f1_score(truth[counted], predicted[counted], average=None))
    np.testing.assert_allclose(found.precision, precision_score(truth[counted], predicted[counted], average=None))
    np.testing.assert_allclose(found.recall, recall_score(truth[counted], predicted[counted], average=None))
    assert found.mean_iou == pytest.approx(jaccard_score(truth[counted], predicted[counted], average="macro"))


def test_scores_by_hand():
    # Class 0: 3 right, 1 taken for class 1; class 1: 2 right; class 2 nowhere.
    found = scores(np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]]))
    assert found.accuracy == pytest.approx(5 / 6)
    np.testing.assert_allclose(found.iou, [3 / 4, 2 / 3, np.nan])
    np.testing.assert_allclose(found.dice, [6 / 7, 4 / 5, np.nan])
    np.testing.assert_allclose(found.precision, [1, 2 / 3, np.nan])
    np.testing.assert_allclose(found.recall, [3 / 4, 1, np.nan])
    assert found.mean_iou == pytest.approx((3 / 4 + 2 / 3) / 2)
    assert found.mean_precision == pytest.approx((1 + 2 / 3) / 2)
    assert found.mean_recall == pytest.approx((3 / 4 + 1) / 2)


def test_means_of_undefined_precision_and_recall_equal_scikit_learns():
    # Class 1 is never predicted, class 2 never true, class 3 neither.
    truth, predicted = np.array([0, 0, 1, 1, 0]), np.array([0, 2, 0, 0, 0])
    found = scores(confusion_matrix(truth, predicted, labels=range(CLASSES)))
    assert np.isnan(found.precision).tolist() == [False, True, False, True]
    assert np.isnan(found.recall).tolist() == [False, False, True, True]
    for mean, score in ((found.mean_precision, precision_score), (found.mean_recall, recall_score)):
        assert mean == pytest.approx(score(truth, predicted, average="macro", zero_division=0))


def test_a_class_that_is_predicted_but_never_true_counts_as_zero():
    assert scores(np.array([[3, 1], [0, 0]])).iou[1] == 0


def test_scores_of_a_split_are_not_the_mean_over_its_images():
    # One image full of class 1 and well predicted, one with a single pixel of it, missed.
    counts = np.array([[[0, 0], [0, 100]], [[99, 0], [1, 0]]])
    assert scores(counts).iou[1] == pytest.approx(100 / 101)


def test_no_counted_pixel_gives_no_score():
    truth = np.full((1, 2, 2), IGNORE, np.uint8)
    found = scores(count_confusions(truth, np.zeros_like(truth), 2))
    assert np.isnan(found.accuracy)
    assert np.isnan([found.mean_iou, found.mean_precision, found.mean_recall]).all()


def test_most_classes_that_are_possible():
    truth = np.array([[[254, 0]]], np.uint8)
    counts = count_confusions(truth, np.array([[[254, 254]]], np.uint8), 255)
    assert counts[0, 254, 254] == 1
    assert counts[0, 0, 254] == 1
    assert counts.sum() == 2
