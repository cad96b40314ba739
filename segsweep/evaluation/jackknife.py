"""The standard error of a statistic of summed confusion counts: a jackknife that leaves out one group at a time.

Miller 1974, The jackknife - a review, Biometrika 61(1); Efron & Tibshirani, An Introduction to the Bootstrap (1993),
chapter 11.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse, stats

from segsweep.evaluation.image_counts import ImageCounts

LEAST_GROUPS = 6
"""Of fewer groups no interval is made."""
_CELLS_AT_A_TIME = 2**21

Score = Callable[[np.ndarray], np.ndarray]
"""From confusion matrices (R, K, K) to their scores (R,)."""


@dataclass(frozen=True)
class Estimate:
    """A statistic of all groups together, and an interval for its expectation."""

    value: float
    low: float
    high: float
    groups: int
    """Number of groups with a counted pixel."""


def estimate(
    files: Sequence[ImageCounts | np.ndarray],
    statistic: Callable[[Sequence[np.ndarray]], np.ndarray],
    groups: np.ndarray | None,
    level: float,
) -> Estimate | None:
    """A statistic of the counts of some files on the same images, with its t interval over groups of images.

    Args:
        files: (N, K, K) confusion counts of each file.
        statistic: from the stacks (R, K, K) of all files to values (R,).
        groups: (N,) integers, the group of each image; None: each image is a group.
        level: promised coverage, 0..1.

    Returns:
        None where fewer than `LEAST_GROUPS` groups have a counted pixel, and where a value is not finite.
    """
    summed = grouped([ImageCounts.of(each) for each in files], groups)
    count = len(summed[0])
    if count < LEAST_GROUPS:
        return None
    totals = [each.total for each in summed]
    value = float(statistic([total[None] for total in totals])[0])
    step = max(1, _CELLS_AT_A_TIME // summed[0].classes ** 2)
    parts = [slice(start, start + step) for start in range(0, count, step)]
    without = np.concatenate(
        [statistic([total - each.dense(part) for total, each in zip(totals, summed, strict=True)]) for part in parts]
    )
    error = np.sqrt((count - 1) / count * np.square(without - without.mean()).sum())
    reach = float(error * stats.t.ppf((1 + level) / 2, count - 1))
    return Estimate(value, value - reach, value + reach, count) if np.isfinite([value, reach]).all() else None


def grouped(files: Sequence[ImageCounts], groups: np.ndarray | None) -> list[ImageCounts]:
    """The counts (N, K, K) of each file, summed over the images of each group (G, K, K).

    Groups in which no file has a counted pixel are left out.
    """
    if len({(len(each), each.classes) for each in files}) > 1:
        raise ValueError(f"counts of different images: {[(len(each), each.classes) for each in files]}")
    images = len(files[0])
    if groups is None:
        groups = np.arange(images)
    elif np.shape(groups) != (images,):
        raise ValueError(f"groups of shape {np.shape(groups)} for {images} images")
    counted = np.zeros(images, bool)
    for each in files:
        counted |= np.diff(each.cells.indptr) > 0
    rows = np.flatnonzero(counted)
    found, places = np.unique(np.asarray(groups)[rows], return_inverse=True)
    members = sparse.csr_array((np.ones(len(rows), np.int64), (places, rows)), shape=(len(found), images))
    return [ImageCounts(sparse.csr_array(members @ each.cells), each.classes) for each in files]
