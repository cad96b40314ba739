"""How far a statistic of summed confusion counts is off, from what it is without each group of images in turn.

Images of one scene, or patches of one image, go up and down together; groups are independent. The standard error is
that of the delete-one-group jackknife: Miller, The jackknife - a review, Biometrika 61 (1974); Efron & Tibshirani, An
Introduction to the Bootstrap (1993), chapter 11.

The degrees of freedom of its t interval come from the kurtosis of the groups' influence, as those of a sample variance
do: 2 G / (kurtosis - (G - 3) / (G - 1)), O'Neill, Some useful moment results in sampling problems, The American
Statistician 68 (2014); G - 1 for a normal kurtosis, and never more. They are few where few groups make most of the
variance: large ones, or the few in which a rare class occurs. `benchmarks/README.md` has the coverage of this and of
other intervals.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse, stats

from segsweep.data.independent_groups import LEAST_GROUPS
from segsweep.evaluation.image_counts import ImageCounts

_CELLS_AT_A_TIME = 2**19

Score = Callable[[np.ndarray], np.ndarray]
"""From confusion matrices (R, K, K) to their scores (R,), each 0..1."""


@dataclass(frozen=True)
class Estimate:
    """A statistic of all groups together, and how sure it is."""

    value: float
    error: float
    """Its standard error; 0 where no group changes it."""
    freedom: float
    """Degrees of freedom of `error`, above 2 and at most `groups` - 1."""
    groups: int
    """Number of groups with a counted pixel."""

    def reach(self, level: float) -> float:
        """Half the width of the t interval of a promised coverage, 0..1."""
        return float(self.error * stats.t.ppf((1 + level) / 2, self.freedom))


def jackknife(
    files: Sequence[ImageCounts | np.ndarray],
    statistic: Callable[[Sequence[np.ndarray]], np.ndarray],
    groups: np.ndarray | None,
) -> Estimate | None:
    """A statistic of the counts of one or more files on the same images, and how sure it is.

    Args:
        files: (N, K, K) confusion counts of each file.
        statistic: from a stack (R, K, K) for each file to values (R,).
        groups: (N,) integers, the group of each image; None: each image is a group.

    Returns:
        None where fewer than `LEAST_GROUPS` groups have a counted pixel, and where a value is not finite.

    Raises:
        ValueError: the files, or the groups, are of other images.
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
    if not (np.isfinite(value) and np.isfinite(without).all()):
        return None
    squares = np.square(without - without.mean())
    error = float(np.sqrt((count - 1) / count * squares.sum()))
    return Estimate(value, error, _freedom(squares), count)


def _freedom(squares: np.ndarray) -> float:
    """Degrees of freedom of the mean of squared deviations (G,)."""
    count = len(squares)
    if not squares.any():
        return count - 1
    kurtosis = np.square(squares / squares.mean()).mean()
    return float(min(2 * count / (kurtosis - (count - 3) / (count - 1)), count - 1))


def grouped(files: Sequence[ImageCounts], groups: np.ndarray | None) -> list[ImageCounts]:
    """The counts (N, K, K) of each file, summed over the images of each group: (G, K, K).

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
