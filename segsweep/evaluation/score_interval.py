"""How sure a score is: an interval over groups of test images."""

import numpy as np
from scipy.special import expit, logit

from segsweep.evaluation.bootstrap import Interval
from segsweep.evaluation.image_counts import ImageCounts
from segsweep.evaluation.jackknife import Score, jackknife


def score_interval(
    counts: ImageCounts | np.ndarray,
    score: Score,
    *,
    groups: np.ndarray | None = None,
    level: float = 0.95,
) -> Interval | None:
    """The score of all images together, with its t interval over groups of images.

    The interval is symmetric in the logit of the score, to which the standard error is carried over by the delta
    method. So it stays between 0 and 1, and holds its promise better for scores near 1 (`benchmarks/README.md`).

    Args:
        counts: (N, K, K) confusion counts, image by image.
        score: from confusion matrices (R, K, K) to their scores (R,), each 0..1.
        groups: (N,) integers. Images with the same number are not independent. None: each image is a group of its own.
        level: promised coverage, 0..1.

    Returns:
        None where fewer than 6 groups have a counted pixel, and for a score of 0 or 1: without an error, or without a
        hit, nothing tells how much groups differ.

    Raises:
        ValueError: the groups are of other images.
    """
    found = jackknife([counts], lambda totals: score(totals[0]), groups)
    if found is None or not 0 < found.value < 1:
        return None
    reach = found.reach(level) / (found.value * (1 - found.value))
    low, high = expit(logit(found.value) + np.array([-reach, reach]))
    return Interval(found.value, float(low), float(high), found.groups)
