"""Normalization constants of a data set, from its training split alone."""

from collections.abc import Callable

import numpy as np

from segsweep.data.dataset import Normalization, Split, survey_of
from segsweep.data.survey import Survey

_LOW, _HIGH = 2, 98
"""Percentiles between which the values of a band usually lie."""


def _standard(survey: Survey) -> tuple[np.ndarray, np.ndarray]:
    """To mean 0 and deviation 1."""
    return survey.moments()


def _percentile(survey: Survey) -> tuple[np.ndarray, np.ndarray]:
    """The percentiles to -1 and 1: a few values far out, such as of clouds, change nothing."""
    pixels = survey.samples.reshape(-1, survey.samples.shape[-1]).astype(np.float64)
    low, high = np.percentile(pixels, (_LOW, _HIGH), axis=0)
    return (low + high) / 2, (high - low) / 2


NORMALIZATIONS: dict[str, Callable[[Survey], tuple[np.ndarray, np.ndarray]]] = {
    "standard": _standard,
    "percentile": _percentile,
}
"""By the name in `data.normalize`: what is subtracted from each band, and what it is divided by."""


def fit_normalization(split: Split, how: str = "standard") -> Normalization:
    """The constants of each band over all pixels of `split`; a constant band is divided by 1."""
    centre, spread = NORMALIZATIONS[how](survey_of(split))
    return Normalization(centre.astype(np.float32), np.where(spread == 0, 1, spread).astype(np.float32))
