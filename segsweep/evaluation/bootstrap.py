"""How sure a difference between two files is: a paired interval over groups of test images."""

from dataclasses import dataclass

import numpy as np

from segsweep.evaluation.confusion import accuracies, mean_dices, mean_ious
from segsweep.evaluation.image_counts import ImageCounts
from segsweep.evaluation.jackknife import LEAST_GROUPS, Score, grouped, jackknife

__all__ = [
    "Interval",
    "accuracies",
    "counted_groups",
    "is_noise",
    "is_too_few",
    "mean_dices",
    "mean_ious",
    "paired_interval",
]

DECIMALS = 4
"""Digits after the point that differences of scores, 0..1, are shown with: a hundredth of a point."""


@dataclass(frozen=True)
class Interval:
    """A difference, or a score, and its interval."""

    difference: float
    """Of all images together."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""
    groups: int | None = None
    """Number of independent groups of images behind it; None where it is not known."""

    @property
    def is_within_noise(self) -> bool:
        """Whether the interval holds 0, rounded as it is shown: words and numbers never contradict each other."""
        return is_noise(self.low, self.high)


def is_noise(low: float, high: float) -> bool:
    """Whether an interval from `low` to `high` holds 0 when its ends are rounded to `DECIMALS`."""
    return round(low, DECIMALS) <= 0 <= round(high, DECIMALS)


def counted_groups(counts: ImageCounts) -> int:
    """Number of independent groups of images in which a pixel counts: those that an interval rests on."""
    return len(grouped([counts], counts.groups)[0])


def is_too_few(groups: int | None) -> bool:
    """Whether so many independent groups are too few for an interval; unknown numbers are not."""
    return groups is not None and groups < LEAST_GROUPS


def paired_interval(
    counts: ImageCounts | np.ndarray,
    baseline: ImageCounts | np.ndarray,
    score: Score,
    *,
    groups: np.ndarray | None = None,
    level: float = 0.95,
) -> Interval | None:
    """A score's difference between two files on the same images, with its t interval over groups of images.

    The interval is deterministic; no bootstrap that was tried holds its promise as well (`benchmarks/README.md`). Where
    both files score equally without each group, it is a single point.

    Args:
        counts: (N, K, K) confusion counts of a file, image by image.
        baseline: (N, K, K) of the other one on the same images.
        score: from confusion matrices (R, K, K) to their scores (R,), each 0..1; for example `accuracies`.
        groups: (N,) integers. Images with the same number are not independent, for example patches of one scene. None:
            each image is a group of its own.
        level: promised coverage, 0..1.

    Returns:
        None where fewer than 6 groups have a counted pixel: the interval would promise more than it holds.

    Raises:
        ValueError: the counts, or the groups, are of other images.
    """
    found = jackknife([counts, baseline], lambda totals: score(totals[0]) - score(totals[1]), groups)
    if found is None:
        return None
    reach = found.reach(level)
    return Interval(found.value, max(found.value - reach, -1.0), min(found.value + reach, 1.0), found.groups)
