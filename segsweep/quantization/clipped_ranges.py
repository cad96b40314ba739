"""Narrower ranges for integer activations: rare values far out are cut, so that the others get finer steps.

By percentile as in Wu et al. 2020, Integer Quantization for Deep Learning Inference, arXiv 2004.09602, section 5; by
mean squared error as in Banner et al. 2019, Post-Training 4-Bit Quantization, arXiv 1810.05723, found by trying.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from segsweep.quantization.observed_activations import ObservedActivations
from segsweep.quantization.post_training import Calibration

_SHRINKINGS = np.linspace(1.0, 0.25, 46)
_LEVELS = 255

Clip = Callable[[np.ndarray, tuple[float, float], float], tuple[float, float]]
"""From a tensor's values (N,) float32, their range, and the percentile, to a narrower range."""


def clipped(
    calibration: Calibration, float_model: bytes, images: np.ndarray, how: str, percentile: float
) -> Calibration:
    """The calibration with the ranges that `how` makes of what the activations are.

    Args:
        calibration: of `float_model` over `images`.
        float_model: the float32 file.
        images: (N, H, W, C) float32, normalized.
        how: `min_max`, `percentile` or `mse`.
        percentile: share of the values, in percent, that stays within, for `percentile`.
    """
    if how == "min_max":
        return calibration
    observed, every = ObservedActivations(float_model, len(images), calibration.ranges.keys()), np.arange(len(images))
    observed.add(every, images)
    return narrowed(calibration, observed.values_of(every), how, percentile)


def narrowed(calibration: Calibration, values: Mapping[str, np.ndarray], how: str, percentile: float) -> Calibration:
    """The same of values (N,) float32 of each tensor, by its name; a tensor without any keeps its range."""
    if how == "min_max":
        return calibration
    clip = METHODS[how]
    ranges = {
        name: clip(values[name], limits, percentile) if name in values else limits
        for name, limits in calibration.ranges.items()
    }
    return replace(calibration, ranges=ranges)


def by_percentile(values: np.ndarray, limits: tuple[float, float], percentile: float) -> tuple[float, float]:
    """As many values below as above are cut; 0 stays within."""
    outside = (100 - percentile) / 2
    low, high = np.percentile(values, (outside, 100 - outside))
    return _checked(min(float(low), 0.0), max(float(high), 0.0), limits)


def by_squared_error(values: np.ndarray, limits: tuple[float, float], percentile: float) -> tuple[float, float]:
    """The range, shrunk on both sides alike, that 8 bits of it are nearest to the values."""
    low, high = min(limits[0], 0.0), max(limits[1], 0.0)
    errors = []
    for share in _SHRINKINGS:
        scale = share * (high - low) / _LEVELS
        rounded = np.rint(values.clip(low * share, high * share) / scale) * scale
        errors.append(float(np.mean(np.square(rounded - values))))
    share = float(_SHRINKINGS[int(np.argmin(errors))])
    return _checked(low * share, high * share, limits)


METHODS: Mapping[str, Clip] = {"percentile": by_percentile, "mse": by_squared_error}
"""By the word in `quantization.calibration.range`."""


def _checked(low: float, high: float, limits: tuple[float, float]) -> tuple[float, float]:
    """The narrower range, or all of it where nothing would be left."""
    return (low, high) if high > low else limits
