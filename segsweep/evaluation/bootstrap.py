"""How sure a difference between two variants is: a paired bootstrap over the test images."""

from dataclasses import dataclass

import numpy as np


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


def paired_accuracy_interval(
    counts: np.ndarray, baseline: np.ndarray, *, resamples: int = 2000, level: float = 0.95, seed: int = 0
) -> Interval:
    """Percentile interval of the accuracy difference, images drawn with replacement, the same for both.

    Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.

    Args:
        counts: (N, K, K) confusion counts of a variant, image by image.
        baseline: (N, K, K) of the other one on the same images.
        resamples: number of draws.
        level: coverage, 0..1.
        seed: of the draws.
    """
    gained = (_right(counts) - _right(baseline)).astype(np.float64)
    pixels = counts.sum(axis=(1, 2)).astype(np.float64)
    drawn = np.random.default_rng(seed).integers(0, len(counts), (resamples, len(counts)))
    differences = gained[drawn].sum(axis=1) / pixels[drawn].sum(axis=1)
    low, high = np.quantile(differences, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(gained.sum() / pixels.sum()), float(low), float(high))


def _right(counts: np.ndarray) -> np.ndarray:
    return np.trace(counts, axis1=1, axis2=2)
