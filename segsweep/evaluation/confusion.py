"""Confusion counts, and every score that is made from them.

All scores are of the whole split at once: intersections and unions are summed over the images before they are
divided. A mean of per-image IoUs is another, larger number, and an image without a class has none.
"""

from dataclasses import dataclass

import numpy as np

from segsweep.data.dataset import IGNORE


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


def count_confusions(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Pixels by true and predicted class, for each image.

    Args:
        truth: (N, H, W) uint8; `IGNORE` counts nowhere.
        predicted: (N, H, W) uint8, 0 to `classes` - 1.
        classes: K.

    Returns:
        (N, K, K) int64; rows truth, columns prediction.
    """
    counts = np.empty((len(truth), classes, classes), np.int64)
    for index in range(len(truth)):
        # Pixels that do not count fall into cells past the last, which are cut off.
        cells = truth[index].astype(np.intp).ravel()
        cells *= classes
        cells += predicted[index].ravel()
        binned = np.bincount(cells, minlength=(IGNORE + 1) * classes)
        counts[index] = binned[: classes * classes].reshape(classes, classes)
    return counts


def scores(counts: np.ndarray) -> Scores:
    """Scores of confusion counts (K, K), or (N, K, K) which are summed over the images first."""
    total = counts.sum(axis=0) if counts.ndim == 3 else counts
    intersection = np.diagonal(total).astype(np.float64)
    areas = (total.sum(axis=0) + total.sum(axis=1)).astype(np.float64)
    iou = _ratio(intersection, areas - intersection)
    dice = _ratio(2 * intersection, areas)
    accuracy = _ratio(intersection.sum(keepdims=True), total.sum(keepdims=True).astype(np.float64).reshape(1))[0]
    return Scores(float(accuracy), _mean_of_present(iou), _mean_of_present(dice), iou, dice)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0)


def _mean_of_present(values: np.ndarray) -> float:
    present = values[~np.isnan(values)]
    return float(present.mean()) if len(present) else float("nan")
