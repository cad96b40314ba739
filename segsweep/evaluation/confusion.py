"""Confusion counts, and every score that is made from them.

All scores are of the whole split at once: intersections and unions are summed over the images before they are
divided. A mean of per-image IoUs is another, larger number, and an image without a class has none.

Means are over the classes that occur in the truth, which are the same for every file that is scored on a split. A class
that occurs nowhere would otherwise enter a mean with 0 as soon as one file predicts it in one pixel, and not where
another file does not. This is the mIoU of `SemSegEvaluator` in detectron2 (detectron2/evaluation/sem_seg_evaluation.py:
classes with `pos_gt > 0`), and what scikit-learn gives for the labels that occur: `jaccard_score(truth, predicted,
labels=numpy.unique(truth), average="macro")`.
"""

from dataclasses import dataclass

import numpy as np

from segsweep.data.dataset import IGNORE
from segsweep.evaluation.image_counts import ImageCounts


@dataclass(frozen=True)
class Scores:
    """Scores of one set of predictions, each 0..1."""

    accuracy: float
    """Share of the counted pixels whose class is right; NaN where no pixel counts."""
    mean_iou: float
    """Mean of `iou` over the classes that occur in the truth; NaN where no pixel counts, as are the other means."""
    mean_dice: float
    """Mean of `dice` over the same classes."""
    iou: np.ndarray
    """(K,) intersection over union; NaN for a class that does not occur in the truth, predicted or not."""
    dice: np.ndarray
    """(K,) twice the intersection over the sum of both areas; NaN as for `iou`."""
    precision: np.ndarray
    """(K,) share of the pixels predicted as a class that are of it; NaN for a class that is never predicted, and as for
    `iou`."""
    recall: np.ndarray
    """(K,) share of the pixels of a class that are predicted as it; NaN as for `iou`."""
    mean_precision: float
    """Mean of `precision` over the same classes; a class that is never predicted counts as 0, as `zero_division=0` has
    it in scikit-learn."""
    mean_recall: float
    """Mean of `recall` over the same classes."""
    absent_class_share: float
    """Share of the counted pixels that are predicted as a class that does not occur in the truth. They lower the IoU of
    the classes to which they belong. NaN where no pixel counts."""


def count_confusions(
    truth: np.ndarray, predicted: np.ndarray, classes: int, out: np.ndarray | None = None
) -> np.ndarray:
    """Pixels by true and predicted class, for each image.

    Args:
        truth: (N, H, W) uint8; `IGNORE` counts nowhere.
        predicted: (N, H, W) uint8, 0 to `classes` - 1.
        classes: K.
        out: where to put the result: zeros of its shape.

    Returns:
        (N, K, K) int64; rows truth, columns prediction.
    """
    counts = np.zeros((len(truth), classes, classes), np.int64) if out is None else out
    if truth[0].size == 1:
        # Nothing but the cells that count is touched: zeros that are never written take no memory.
        rows = np.flatnonzero(truth != IGNORE)
        counts[rows, truth.ravel()[rows], predicted.ravel()[rows]] = 1
        return counts
    for index in range(len(truth)):
        # Pixels that do not count fall into cells past the last, which are cut off.
        cells = truth[index].astype(np.intp).ravel()
        cells *= classes
        cells += predicted[index].ravel()
        binned = np.bincount(cells, minlength=(IGNORE + 1) * classes)
        counts[index] = binned[: classes * classes].reshape(classes, classes)
    return counts


def accuracies(totals: np.ndarray) -> np.ndarray:
    """Accuracy (R,) of each of R confusion matrices (R, K, K); NaN for a matrix of zeros."""
    return ratio(np.trace(totals, axis1=1, axis2=2).astype(np.float64), totals.sum(axis=(1, 2)).astype(np.float64))


def mean_ious(totals: np.ndarray) -> np.ndarray:
    """Mean IoU (R,) of each of R confusion matrices (R, K, K), over the classes in its truth; NaN for one of zeros."""
    return _means(class_ious(totals))


def mean_dices(totals: np.ndarray) -> np.ndarray:
    """Mean Dice (R,) of each of R confusion matrices (R, K, K), over the classes in its truth; NaN for one of zeros."""
    return _means(_class_dices(totals))


def class_ious(totals: np.ndarray) -> np.ndarray:
    """IoU (R, K) of each class in each of R confusion matrices (R, K, K); NaN for a class that is not in its truth."""
    true, predicted, hit = _areas(totals)
    return ratio(hit, np.where(true > 0, true + predicted - hit, 0))


def scores(counts: np.ndarray | ImageCounts) -> Scores:
    """Scores of confusion counts (K, K), or (N, K, K) which are summed over the images first."""
    total = counts.total if isinstance(counts, ImageCounts) else counts
    totals = total.sum(axis=0, keepdims=True) if total.ndim == 3 else total[None]
    true, predicted, hit = _areas(totals)
    precision, recall = ratio(hit, np.where(true > 0, predicted, 0)), ratio(hit, true)
    counted = true.sum(axis=1)
    return Scores(
        accuracy=float(accuracies(totals)[0]),
        mean_iou=float(mean_ious(totals)[0]),
        mean_dice=float(mean_dices(totals)[0]),
        iou=class_ious(totals)[0],
        dice=_class_dices(totals)[0],
        precision=precision[0],
        recall=recall[0],
        mean_precision=float(_means(np.where(true > 0, np.nan_to_num(precision), np.nan))[0]),
        mean_recall=float(_means(recall)[0]),
        absent_class_share=float(ratio(np.where(true > 0, 0, predicted).sum(axis=1), counted)[0]),
    )


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """The quotients, float64; NaN where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0)


def mean_of_present(values: np.ndarray) -> float:
    """Mean of what is not NaN; NaN where nothing is left."""
    return float(_means(values[None])[0])


def _areas(totals: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels of each class in the truth, in the prediction and in both, float64 (R, K), of (R, K, K)."""
    true, predicted, hit = totals.sum(axis=2), totals.sum(axis=1), np.diagonal(totals, axis1=1, axis2=2)
    return true.astype(np.float64), predicted.astype(np.float64), hit.astype(np.float64)


def _class_dices(totals: np.ndarray) -> np.ndarray:
    true, predicted, hit = _areas(totals)
    return ratio(2 * hit, np.where(true > 0, true + predicted, 0))


def _means(values: np.ndarray) -> np.ndarray:
    """Mean (R,) of what is not NaN in each row (R, K); NaN for a row of which nothing is left."""
    present = ~np.isnan(values)
    return ratio(np.where(present, values, 0).sum(axis=1), present.sum(axis=1))
