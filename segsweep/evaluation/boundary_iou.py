"""Boundary IoU: intersection over union of the pixels near the contours alone, where large objects hide their errors.

Cheng, Girshick, Dollár, Berg & Kirillov 2021, Boundary IoU: Improving Object-Centric Image Segmentation Evaluation,
arXiv 2103.16562. Near are the pixels of a mask within d pixels of one that is not of it, or of the image's edge, along
either axis or both; d is 2 % of the image's diagonal. As everywhere here, the counts are summed over the split before
they are divided.
"""

from dataclasses import dataclass

import numpy as np

from segsweep.data.dataset import IGNORE
from segsweep.evaluation.confusion import mean_of_present, ratio

DIAGONAL_SHARE = 0.02
"""Width of a boundary over the image's diagonal, as in the paper."""


@dataclass(frozen=True)
class BoundaryScores:
    """Boundary IoU of one set of predictions, 0..1."""

    mean: float
    """Mean of `of_classes` over the classes that occur in the truth."""
    of_classes: np.ndarray
    """(K,); NaN for a class that does not occur in the truth, predicted or not."""


def count_boundaries(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Pixels in which the boundaries of truth and prediction meet, and pixels of either, by class.

    Args:
        truth: (N, H, W) uint8. Pixels of `IGNORE` count nowhere, whatever is predicted there; where they begin, both
            truth and prediction end.
        predicted: (N, H, W) uint8, 0 to `classes` - 1.
        classes: K.

    Returns:
        (2, K) int64: intersections and unions.
    """
    predicted = np.where(truth == IGNORE, np.uint8(IGNORE), predicted)
    width = boundary_width(*truth.shape[1:])
    true, found = boundaries(truth, width), boundaries(predicted, width)
    both = true & found & (truth == predicted)
    met, of_truth, of_prediction = (
        np.bincount(labels[where], minlength=IGNORE + 1)[:classes]
        for labels, where in ((truth, both), (truth, true), (predicted, found))
    )
    return np.stack([met, of_truth + of_prediction - met]).astype(np.int64)


def boundary_scores(counts: np.ndarray, present: np.ndarray) -> BoundaryScores:
    """Scores of the counts (2, K) of a whole split.

    Args:
        counts: intersections and unions.
        present: (K,) bool, the classes that occur in the truth of the split.
    """
    of_classes = ratio(counts[0].astype(np.float64), np.where(present, counts[1], 0).astype(np.float64))
    return BoundaryScores(mean_of_present(of_classes), of_classes)


def boundary_width(height: int, width: int) -> int:
    """How far a boundary reaches into a mask, in pixels; at least 1."""
    return max(1, round(DIAGONAL_SHARE * float(np.hypot(height, width))))


def boundaries(labels: np.ndarray, width: int) -> np.ndarray:
    """Which pixels (N, H, W) have another label, or the image's edge, within `width` pixels along either axis or both.

    One pass for all classes: a pixel is inside where neighbours are equal all over the square around it.
    """
    found = np.ones(labels.shape, bool)
    side = 2 * width
    if min(labels.shape[1:]) <= side:
        return found
    rows_equal = _all_of(labels[:, :, 1:] == labels[:, :, :-1], side, axis=2)
    inside = _all_of(rows_equal, side + 1, axis=1)
    inside &= _all_of(labels[:, 1:, width:-width] == labels[:, :-1, width:-width], side, axis=1)
    found[:, width:-width, width:-width] = ~inside
    return found


def _all_of(values: np.ndarray, length: int, *, axis: int) -> np.ndarray:
    """Whether all of so many neighbours along an axis hold, from each that has as many; in log2(length) passes."""

    def shifted(start: int, stop: int | None) -> np.ndarray:
        return values[(slice(None),) * axis + (slice(start, stop),)]

    reach = 1
    while reach < length:
        step = min(reach, length - reach)
        values = shifted(0, -step) & shifted(step, None)
        reach += step
    return values
