"""Normalization constants of a data set, from its training split alone."""

from collections.abc import Callable

import numpy as np

from segsweep.data.dataset import Normalization, Split, survey_of
from segsweep.data.no_data import percentiles
from segsweep.data.survey import Survey

_LOW, _HIGH = 2, 98
"""Percentiles between which the values of a band usually lie."""


def _standard(survey: Survey) -> tuple[np.ndarray, np.ndarray]:
    """To mean 0 and deviation 1."""
    return survey.moments()


def _percentile(survey: Survey) -> tuple[np.ndarray, np.ndarray]:
    """The percentiles to -1 and 1: a few values far out, such as of clouds, change nothing."""
    low, high = percentiles(survey.samples.astype(np.float64), (_LOW, _HIGH))
    return (low + high) / 2, (high - low) / 2


NORMALIZATIONS: dict[str, Callable[[Survey], tuple[np.ndarray, np.ndarray]]] = {
    "standard": _standard,
    "percentile": _percentile,
}
"""By the name in `data.normalize`: what is subtracted from each band, and what it is divided by."""


def fit_normalization(split: Split, how: str = "standard") -> Normalization:
    """The constants of each band over its valid values in `split`; a band that is constant is divided by 1."""
    centre, spread = NORMALIZATIONS[how](survey_of(split))
    return Normalization(centre.astype(np.float32), np.where(spread == 0, 1, spread).astype(np.float32))
