"""How sure a difference between two variants is: a paired bootstrap over the test images."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from segsweep.evaluation.image_counts import ImageCounts

_DRAWS_AT_A_TIME = 250


@dataclass(frozen=True)
class Interval:
    """A difference and where it lies."""

    difference: float
    """Of all images together."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""

    @property
    def is_within_noise(self) -> bool:
        """Whether the interval holds 0."""
        return self.low <= 0 <= self.high


def accuracies(totals: np.ndarray) -> np.ndarray:
    """Accuracy (R,) of each of R confusion matrices (R, K, K)."""
    return np.trace(totals, axis1=1, axis2=2) / totals.sum(axis=(1, 2))


def mean_ious(totals: np.ndarray) -> np.ndarray:
    """Mean IoU over the classes present (R,) of each of R confusion matrices (R, K, K)."""
    intersections = np.diagonal(totals, axis1=1, axis2=2)
    unions = totals.sum(axis=1) + totals.sum(axis=2) - intersections
    ious = np.divide(intersections, unions, out=np.full(unions.shape, np.nan), where=unions > 0)
    return np.nanmean(ious, axis=1)


def paired_interval(
    counts: ImageCounts | np.ndarray,
    baseline: ImageCounts | np.ndarray,
    score: Callable[[np.ndarray], np.ndarray],
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile interval of a score's difference, images drawn with replacement, the same ones for both.

    Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapters 8 and 13.

    Args:
        counts: (N, K, K) confusion counts of a variant, image by image.
        baseline: (N, K, K) of the other one on the same images.
        score: from confusion matrices (R, K, K) to their scores (R,); `accuracies` or `mean_ious`.
        resamples: number of draws.
        level: coverage, 0..1.
        seed: of the draws.
    """
    both = [ImageCounts.of(counts), ImageCounts.of(baseline)]
    images, classes = len(both[0]), both[0].classes
    rng = np.random.default_rng(seed)
    flat = [each.cells.astype(np.float64) for each in both]
    differences = []
    for start in range(0, resamples, _DRAWS_AT_A_TIME):
        drawn = rng.integers(0, images, (min(_DRAWS_AT_A_TIME, resamples - start), images))
        # How often each image is drawn: the sum over the drawn images is then one matrix product.
        times = np.stack([np.bincount(row, minlength=images) for row in drawn]).astype(np.float64)
        one, other = (score((times @ each).reshape(-1, classes, classes)) for each in flat)
        differences.append(one - other)
    low, high = np.nanquantile(np.concatenate(differences), [(1 - level) / 2, (1 + level) / 2])
    whole = score(both[0].total[None]) - score(both[1].total[None])
    return Interval(float(whole[0]), float(low), float(high))
