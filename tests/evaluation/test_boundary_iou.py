"""Boundary IoU, against the authors' own implementation restated, and by hand."""

import numpy as np
import pytest
from scipy import ndimage

from segsweep.data.dataset import IGNORE
from segsweep.evaluation.boundary_iou import boundaries, boundary_scores, boundary_width, count_boundaries

CLASSES = 4


def published_boundary(mask: np.ndarray, width: int) -> np.ndarray:
    """What mask_to_boundary of boundary_iou/utils/boundary_utils.py in bowenc0221/boundary-iou-api does with OpenCV.

    A margin of one pixel of 0, `width` erosions by 3x3 ones, the mask without what is left.
    """
    eroded = ndimage.binary_erosion(np.pad(mask, 1), np.ones((3, 3)), iterations=width)
    return mask & ~eroded[1:-1, 1:-1]


def published_counts(truth: np.ndarray, predicted: np.ndarray, width: int) -> np.ndarray:
    counts = np.zeros((2, CLASSES), np.int64)
    for label in range(CLASSES):
        for true, found in zip(truth == label, predicted == label, strict=True):
            of_true, of_found = published_boundary(true, width), published_boundary(found, width)
            counts[:, label] += (of_true & of_found).sum(), (of_true | of_found).sum()
    return counts


@pytest.fixture(params=[(40, 48), (60, 150), (5, 9), (3, 4), (1, 7)], ids=str)
def masks(request) -> tuple[np.ndarray, np.ndarray]:
    """Blobs, and the same a little wrong."""
    rng = np.random.default_rng(0)
    fields = ndimage.gaussian_filter(rng.normal(size=(CLASSES, 5, *request.param)), (0, 0, 4, 4))
    noise = ndimage.gaussian_filter(rng.normal(size=fields.shape), (0, 0, 2, 2))
    return fields.argmax(axis=0).astype(np.uint8), (fields + 0.2 * noise).argmax(axis=0).astype(np.uint8)


def test_equals_the_published_one(masks):
    truth, predicted = masks
    width = boundary_width(*truth.shape[1:])
    np.testing.assert_array_equal(
        count_boundaries(truth, predicted, CLASSES), published_counts(truth, predicted, width)
    )


@pytest.mark.parametrize("width", [1, 2, 3, 4, 7])
def test_boundaries_of_any_width_equal_the_published_ones(masks, width):
    labels = masks[0]
    expected = [
        np.any([published_boundary(image == label, width) for label in range(CLASSES)], axis=0) for image in labels
    ]
    np.testing.assert_array_equal(boundaries(labels, width), expected)


def test_by_hand():
    # A square of 5x5 in 9x9, of which the prediction lacks a row; boundaries are one pixel wide.
    truth = np.zeros((1, 9, 9), np.uint8)
    truth[0, 2:7, 2:7] = 1
    predicted = truth.copy()
    predicted[0, 6] = 0
    counts = count_boundaries(truth, predicted, 2)
    # Rings of 16 and 14 pixels share the top and the sides, down to the last row of the prediction.
    assert counts[:, 1].tolist() == [11, 19]
    assert boundary_scores(counts, np.ones(2, bool)).of_classes[1] == pytest.approx(11 / 19)


def test_width_is_2_percent_of_the_diagonal():
    assert [boundary_width(*size) for size in ((64, 64), (300, 400), (8, 8))] == [2, 10, 1]


def test_a_right_prediction_is_1_whatever_stands_where_it_is_ignored(masks):
    truth, _ = masks
    truth = truth.copy()
    truth[:, :, :2] = IGNORE
    for wrong in (0, 1):
        predicted = np.where(truth == IGNORE, np.uint8(wrong), truth)
        found = boundary_scores(count_boundaries(truth, predicted, CLASSES), np.isin(range(CLASSES), truth))
        assert set(found.of_classes[~np.isnan(found.of_classes)]) == {1.0}
        assert found.mean == 1


def test_what_is_predicted_where_it_is_ignored_changes_nothing(masks):
    truth, predicted = masks
    truth = truth.copy()
    truth[:, :, :2] = IGNORE
    other = np.where(truth == IGNORE, np.uint8(3) - predicted, predicted)
    np.testing.assert_array_equal(count_boundaries(truth, predicted, CLASSES), count_boundaries(truth, other, CLASSES))


def test_classes_that_do_not_occur_in_the_truth_are_left_out_of_the_mean():
    truth = np.zeros((1, 8, 8), np.uint8)
    predicted = truth.copy()
    predicted[0, 3, 3] = 1
    only_first = np.array([True, False, False])
    found = boundary_scores(count_boundaries(truth, predicted, 3), only_first)
    assert np.isnan(found.of_classes).tolist() == [False, True, True]
    assert found.mean == found.of_classes[0] < 1
    nothing = count_boundaries(np.full_like(truth, IGNORE), truth, 3)
    assert np.isnan(boundary_scores(nothing, np.zeros(3, bool)).mean)


def test_counts_are_summed_over_images_before_they_are_divided(masks):
    truth, predicted = masks
    parts = [count_boundaries(truth[part], predicted[part], CLASSES) for part in (slice(2), slice(2, None))]
    np.testing.assert_array_equal(sum(parts), count_boundaries(truth, predicted, CLASSES))
