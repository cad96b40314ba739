"""What can be done for bands without training: clip them, rescale them, or both."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from segsweep.candidates.problem import Problem
from segsweep.candidates.sensitivity import target_choice
from segsweep.quantization.automatic_ranges import calibrate_by
from segsweep.quantization.band_rescaling import band_weights, rescale_bands
from segsweep.quantization.layers import layers
from segsweep.quantization.mixed import quantize_mixed
from segsweep.quantization.range_rules import Limits, RangeChoice, TensorValues, by_percentile
from segsweep.quantization.recipe import LayerChoice, Recipe
from segsweep.tflite.metadata import Metadata, embed

Bounds = tuple[np.ndarray, np.ndarray]
"""(C,) and (C,): between which values of each band, normalized, files are calibrated."""


@dataclass(frozen=True)
class Remedy:
    """A way to make the int8 file."""

    name: str
    clip: str | None = None
    """Cut the images at percentiles: of the values of all bands `together`, or of `each` band; None: not at all."""
    rescale: str | None = None
    """By what each band is multiplied: so that all `range`s are alike, or `balanced` with the weights; None: by 1."""
    range: str | None = None
    """`quantization.calibration.range` of all activations; None: the rules of the run's own file."""


AS_IS = Remedy("int8")
REMEDIES = (
    AS_IS,
    Remedy("int8, bands rescaled", rescale="range"),
    Remedy("int8, bands balanced with the weights", rescale="balanced"),
    Remedy("int8, input clipped", clip="together"),
    Remedy("int8, each band clipped and rescaled", clip="each", rescale="range"),
    Remedy("int8, every range clipped", range="percentile"),
    Remedy("int8, ranges by squared error", range="mse"),
    Remedy("int8, nothing clipped", range="min_max"),
    Remedy("int8, bands rescaled, every range clipped", clip="each", rescale="range", range="percentile"),
)
"""The first one is the file as a job makes it."""


@dataclass(frozen=True)
class Remedied:
    """A file and what it is scored on."""

    remedy: Remedy
    factors: np.ndarray
    """(C,) what normalized bands are multiplied with before they go in."""
    content: bytes = field(repr=False)
    problem: Problem = field(repr=False)
    """With the images that the file takes."""


def remedied(
    remedy: Remedy, problem: Problem, images: np.ndarray, own_percentile: float, percentile: float
) -> Remedied:  # fmt: skip
    """Make the file.

    Args:
        remedy: one of `REMEDIES`.
        problem: of the float file.
        images: (N, H, W, C) float32, normalized: the calibration images.
        own_percentile: `quantization.calibration.percentile` of the run, for its own rules.
        percentile: share of the values, in percent, that clipping keeps.

    Raises:
        ModelError: the bands of this file cannot be rescaled, or it cannot be quantized.
    """
    low, high = bounds(images, remedy.clip, percentile)
    factors = FACTORS[remedy.rescale](problem.float_model, (low, high))
    float_model = problem.float_model if remedy.rescale is None else rescale_bands(problem.float_model, factors)
    # What lies beyond is cut by the integer input: what comes after it never sees it either.
    seen = (np.clip(images, low, high) * factors).astype(np.float32)
    if remedy.range is None:
        calibration = calibrate_by(float_model, seen, problem.choice, own_percentile)
    else:
        calibration = calibrate_by(float_model, seen, RangeChoice.of(remedy.range), percentile)
    recipe = Recipe({each.name: LayerChoice(target_choice(each, "int8")) for each in layers(float_model)})
    content = quantize_mixed(float_model, recipe, calibration)
    metadata = _metadata(problem, factors)
    changed = replace(
        problem,
        float_model=float_model,
        calibration=calibration,
        images=(problem.images * factors).astype(np.float32),
        metadata=metadata,
    )
    return Remedied(remedy, factors, content if metadata is None else embed(content, metadata), changed)


def bounds(images: np.ndarray, clip: str | None, percentile: float) -> Bounds:
    """Smallest and largest value of each band that is kept of images (N, H, W, C)."""
    pixels = images.reshape(-1, images.shape[-1])
    low, high = pixels.min(axis=0).astype(np.float64), pixels.max(axis=0).astype(np.float64)
    if clip is None:
        return low, high
    if clip == "together":
        one, other = _clipped(pixels.ravel(), percentile)
        return np.full(len(low), one), np.full(len(high), other)
    limits = [_clipped(pixels[:, band], percentile) for band in range(len(low))]
    return np.array([each for each, _ in limits]), np.array([each for _, each in limits])


def _clipped(values: np.ndarray, percentile: float) -> Limits:
    """The middle `percentile` of values (N,)."""
    return by_percentile(TensorValues(values, values.min(keepdims=True), values.max(keepdims=True)), percentile)


def _by_range(float_model: bytes, limits: Bounds) -> np.ndarray:
    """The band that reaches farthest keeps its size; the others become as large."""
    reach = np.maximum(np.abs(limits[0]), np.abs(limits[1]))
    return np.divide(reach.max(), reach, out=np.ones_like(reach), where=reach > 0)


def _balanced(float_model: bytes, limits: Bounds) -> np.ndarray:
    """The roots of weights over values, with which both have equal ranges: neither loses its bands (Nagel et al.)."""
    reach, weights = np.maximum(np.abs(limits[0]), np.abs(limits[1])), band_weights(float_model)
    used = (reach > 0) & (weights > 0)
    factors = np.sqrt(np.divide(weights, reach, out=np.ones_like(reach), where=used))
    return np.where(used, factors / factors[used].min(), 1.0) if used.any() else np.ones_like(reach)


def _none(float_model: bytes, limits: Bounds) -> np.ndarray:
    return np.ones(len(limits[0]))


FACTORS: Mapping[str | None, Callable[[bytes, Bounds], np.ndarray]] = {
    None: _none,
    "range": _by_range,
    "balanced": _balanced,
}
"""By `Remedy.rescale`: from the float file and the bounds of the bands to a factor (C,) for each."""


def _metadata(problem: Problem, factors: np.ndarray) -> Metadata | None:
    """What the file says of its normalization: the division does what the factor did."""
    if problem.metadata is None:
        return None
    std = tuple(float(value) for value in np.array(problem.metadata.std) / factors)
    return replace(problem.metadata, std=std, quantization="int8", variant_key="")
