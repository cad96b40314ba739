"""How sure a score is: a bootstrap over the test images."""

from collections.abc import Callable

import numpy as np

from segsweep.evaluation.bootstrap import Interval


def score_interval(
    counts: np.ndarray,
    score: Callable[[np.ndarray], np.ndarray],
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval | None:
    """The score of all images together and its percentile interval, images drawn with replacement.

    Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 13. None for a single image.

    Args:
        counts: (N, K, K) confusion counts, image by image.
        score: from confusion matrices (R, K, K) to their scores (R,).
        resamples: number of draws.
        level: coverage, 0..1.
        seed: of the draws.
    """
    images, classes, _ = counts.shape
    if images < 2:
        return None
    # How often each of N images is among N drawn ones.
    times = np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), resamples)
    totals = times.astype(np.float64) @ counts.reshape(images, -1).astype(np.float64)
    low, high = np.nanquantile(score(totals.reshape(-1, classes, classes)), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(score(counts.sum(axis=0, keepdims=True))[0]), float(low), float(high))
