"""How sure a score is: a bootstrap over the test images."""

from collections.abc import Callable

import numpy as np

from segsweep.evaluation.bootstrap import Interval
from segsweep.evaluation.image_counts import ImageCounts

_DRAWS_AT_A_TIME = 250


def score_interval(
    counts: ImageCounts | np.ndarray,
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
    counts = ImageCounts.of(counts)
    images, classes = len(counts), counts.classes
    if images < 2:
        return None
    rng, flat = np.random.default_rng(seed), counts.cells.astype(np.float64)
    drawn = []
    for start in range(0, resamples, _DRAWS_AT_A_TIME):
        shape = (min(_DRAWS_AT_A_TIME, resamples - start), images)
        # How often each of N images is among N drawn ones.
        times = np.stack([np.bincount(row, minlength=images) for row in rng.integers(0, images, shape)])
        drawn.append(score((times.astype(np.float64) @ flat).reshape(-1, classes, classes)))
    low, high = np.nanquantile(np.concatenate(drawn), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(score(counts.total[None])[0]), float(low), float(high))
