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


def test_means_are_over_the_labels_that_occur_as_scikit_learn_has_them():
    # Class 1 is never predicted, class 2 never true, class 3 neither.
    truth, predicted = np.array([0, 0, 1, 1, 0]), np.array([0, 2, 0, 0, 0])
    found = scores(confusion_matrix(truth, predicted, labels=range(CLASSES)))
    for name, score in (
        ("iou", jaccard_score), ("dice", f1_score), ("precision", precision_score), ("recall", recall_score)
    ):  # fmt: skip
        expected = score(truth, predicted, labels=np.unique(truth), average="macro", zero_division=0)
        assert getattr(found, f"mean_{name}") == pytest.approx(expected)
        assert np.isnan(getattr(found, name)[2:]).all()
    assert np.isnan(found.precision).tolist() == [False, True, True, True]
    assert np.isnan(found.recall).tolist() == [False, False, True, True]
    assert found.absent_class_share == pytest.approx(1 / 5)


def test_one_pixel_of_an_absent_class_moves_no_mean_by_a_class():
    right = np.diag([500, 400, 0])
    wrong = right + np.array([[-1, 0, 1], [0, 0, 0], [0, 0, 0]])
    assert scores(right).mean_iou == 1
    assert scores(wrong).mean_iou == pytest.approx((499 / 500 + 1) / 2)
    assert (scores(right).absent_class_share, scores(wrong).absent_class_share) == (0, pytest.approx(1 / 900))


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
