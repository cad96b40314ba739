"""How sure a score is: an interval over groups of test images."""

import numpy as np

from segsweep.evaluation.bootstrap import Interval
from segsweep.evaluation.image_counts import ImageCounts
from segsweep.evaluation.jackknife import Score, estimate


def score_interval(
    counts: ImageCounts | np.ndarray,
    score: Score,
    *,
    groups: np.ndarray | None = None,
    level: float = 0.95,
) -> Interval | None:
    """The score of all images together, with its interval; made as that of a difference, by `paired_interval`.

    Args:
        counts: (N, K, K) confusion counts, image by image.
        score: from confusion matrices (R, K, K) to their scores (R,), each 0..1.
        groups: (N,) integers, the group of each image; None: each image is a group of its own.
        level: promised coverage, 0..1.

    Returns:
        None where fewer than 6 groups have a counted pixel.
    """
    found = estimate([counts], lambda totals: score(totals[0]), groups=groups, level=level)
    return None if found is None else Interval(found.value, max(found.low, 0), min(found.high, 1), found.groups)
