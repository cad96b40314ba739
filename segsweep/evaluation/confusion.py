"""Confusion counts, and every score that is made from them.

All scores are of the whole split at once: intersections and unions are summed over the images before they are
divided. A mean of per-image IoUs is another, larger number, and an image without a class has none.
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
    """Mean of `iou` over the classes present."""
    mean_dice: float
    """Mean of `dice` over the classes present."""
    iou: np.ndarray
    """(K,) intersection over union; NaN for a class absent from both truth and prediction."""
    dice: np.ndarray
    """(K,) twice the intersection over the sum of both areas; NaN as for `iou`."""
    precision: np.ndarray
    """(K,) share of the pixels predicted as a class that are of it; NaN for a class that is never predicted."""
    recall: np.ndarray
    """(K,) share of the pixels of a class that are predicted as it; NaN for a class absent from the truth."""
    mean_precision: float
    """Mean of `precision` over the classes present in truth or prediction; one never predicted counts as 0."""
    mean_recall: float
    """Mean of `recall` over the same classes; one absent from the truth counts as 0, as `zero_division=0` has it in
    scikit-learn."""


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


def scores(counts: np.ndarray | ImageCounts) -> Scores:
    """Scores of confusion counts (K, K), or (N, K, K) which are summed over the images first."""
    total = counts.total if isinstance(counts, ImageCounts) else counts
    total = total.sum(axis=0) if total.ndim == 3 else total
    intersection = np.diagonal(total).astype(np.float64)
    predicted, true = total.sum(axis=0).astype(np.float64), total.sum(axis=1).astype(np.float64)
    areas = predicted + true
    iou = ratio(intersection, areas - intersection)
    dice = ratio(2 * intersection, areas)
    precision = ratio(intersection, predicted)
    recall = ratio(intersection, true)
    accuracy = ratio(intersection.sum(keepdims=True), true.sum(keepdims=True))[0]
    return Scores(
        accuracy=float(accuracy),
        mean_iou=mean_of_present(iou),
        mean_dice=mean_of_present(dice),
        iou=iou,
        dice=dice,
        precision=precision,
        recall=recall,
        mean_precision=mean_of_present(np.where(areas > 0, np.nan_to_num(precision), np.nan)),
        mean_recall=mean_of_present(np.where(areas > 0, np.nan_to_num(recall), np.nan)),
    )


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """The quotients, float64; NaN where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0)


def mean_of_present(values: np.ndarray) -> float:
    """Mean of what is not NaN; NaN where nothing is left."""
    present = values[~np.isnan(values)]
    return float(present.mean()) if len(present) else float("nan")
