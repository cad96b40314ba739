"""Narrower ranges for integer activations: rare values far out are cut, so that the others get finer steps.

By percentile as in Wu et al. 2020, Integer Quantization for Deep Learning Inference, arXiv 2004.09602, section 5; by
mean squared error as in Banner et al. 2019, Post-Training 4-Bit Quantization, arXiv 1810.05723, found by trying.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from segsweep.quantization.post_training import Calibration

_VALUES = 2048
"""Of each tensor and image that are looked at, evenly spread."""
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
    clip = METHODS[how]
    values = _activations(float_model, images, calibration.ranges)
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


def _activations(
    float_model: bytes, images: np.ndarray, wanted: Mapping[str, tuple[float, float]]
) -> dict[str, np.ndarray]:
    """Some values of each tensor over all images, by its name."""
    interpreter = Interpreter(
        model_content=float_model,
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    port = interpreter.get_input_details()[0]["index"]
    indices = {each["name"]: each["index"] for each in interpreter.get_tensor_details() if each["name"] in wanted}
    found: dict[str, list[np.ndarray]] = {name: [] for name in indices}
    for image in images:
        interpreter.set_tensor(port, np.ascontiguousarray(image[np.newaxis], np.float32))
        interpreter.invoke()
        for name, index in indices.items():
            flat = interpreter.get_tensor(index).ravel()
            chosen = np.linspace(0, flat.size - 1, min(_VALUES, flat.size)).astype(np.int64)
            found[name].append(flat[chosen].astype(np.float32))
    return {name: np.concatenate(parts) for name, parts in found.items()}
