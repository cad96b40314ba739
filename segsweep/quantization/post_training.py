"""Makes the post-training variants from the float32 file, with litert-quantizer: milliseconds, no TensorFlow."""

import contextlib
import copy
import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from litert_quantizer import recipe
from litert_quantizer.calibrator import CalibrationMode, Calibrator
from litert_quantizer.quantizer import Quantizer
from litert_quantizer.recipe_manager import RecipeManager
from litert_quantizer.utils.qsv_utils import min_max_update

from segsweep.errors import ModelError
from segsweep.quantization.variants import Variant, check
from segsweep.tflite.census import census
from segsweep.tflite.flatbuffer import verify

_FLOAT16 = [
    {
        "regex": ".*",
        "operation": "*",
        "algorithm_key": "float_casting",
        "op_config": {
            "weight_tensor_config": {
                "num_bits": 16,
                "symmetric": True,
                "granularity": "TENSORWISE",
                "dtype": "FLOAT",
            },
            "compute_precision": "FLOAT",
            "explicit_dequantize": True,
        },
    }
]


def _by_tensor(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The recipe with one scale for all weights of an operator, so that those that are equal stay equal.

    Depthwise weights, which are not clustered, keep a scale for each channel.
    """
    shared = copy.deepcopy(rules)
    for rule in shared:
        rule["op_config"]["weight_tensor_config"]["granularity"] = "TENSORWISE"
    return [*shared, *({**rule, "operation": "DEPTHWISE_CONV_2D"} for rule in rules)]


RECIPES: Mapping[str, list[dict[str, Any]]] = {
    "float16": _FLOAT16,
    "dynamic_range": recipe.dynamic_wi8_afp32(),
    "weight_only_int8": recipe.weight_only_wi8_afp32(),
    "int8": recipe.static_wi8_ai8(),
    "int16x8": recipe.static_wi8_ai16(),
    "pruned_int8": recipe.static_wi8_ai8(),
    "clustered_int8": _by_tensor(recipe.static_wi8_ai8()),
}
"""litert-quantizer's recipe of each variant that it makes; weights are symmetric in all, and in all but one they
have a scale for each channel."""


@dataclass(frozen=True)
class Calibration:
    """The ranges that the activations of a float model take."""

    ranges: Mapping[str, tuple[float, float]]
    """Smallest and largest value, by the name of the tensor in the float file; (0, 1) where all were 0."""
    samples: int
    """How many images they were taken over."""
    whole: Mapping[str, tuple[float, float]] | None = None
    """The ranges of activations of 16 bits, which have steps enough to clip nothing; None: `ranges`."""

    def of_bits(self, bits: int) -> Mapping[str, tuple[float, float]]:
        """The ranges of activations of so many bits."""
        return self.whole if self.whole is not None and bits == 16 else self.ranges


def calibrate(float_model: bytes, images: np.ndarray) -> Calibration:
    """The ranges over normalized images (N, H, W, C) float32, one at least; their order does not matter.

    Raises ModelError when an activation is not finite.
    """
    verify(float_model)
    # The profiler takes minima and maxima inside LiteRT: the same numbers as by reading every tensor, 8 times faster.
    # Without `min_max_update` it would be a moving average, which cuts the maxima and depends on the order.
    calibrator = Calibrator(
        float_model,
        num_threads=1,
        mode=CalibrationMode.CALIBRATION_PROFILER_BASED,
        qsv_update_func=min_max_update,
    )
    ((signature, ports),) = calibrator.get_signature_list().items()
    (port,) = ports["inputs"]
    feeds = [{port: image[np.newaxis]} for image in np.ascontiguousarray(images, np.float32)]
    with contextlib.redirect_stderr(io.StringIO()):  # its progress bar has no switch
        calibrator.calibrate({signature: feeds}, RecipeManager())
    ranges = {
        name: (float(statistics["min"].min()), float(statistics["max"].max()))
        for name, statistics in calibrator.get_model_qsvs().items()
    }
    return calibration_of(ranges, len(images))


def calibration_of(
    ranges: Mapping[str, tuple[float, float]], samples: int, whole: Mapping[str, tuple[float, float]] | None = None
) -> Calibration:
    """The calibration by the range of each tensor over so many images, and by those of 16-bit activations.

    Raises ModelError when one is not finite.
    """
    found = _checked(ranges)
    return Calibration(found, samples, None if whole is None else _checked(whole))


def _checked(ranges: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    wild = [name for name, limits in ranges.items() if not np.isfinite(limits).all()]
    if wild:
        raise ModelError(f"the model cannot be calibrated: {wild[0]} takes values that are not finite")
    # Where all values are 0 any scale will do but the tiny one that would be chosen, by which biases overflow.
    return {name: limits if any(limits) else (0.0, 1.0) for name, limits in ranges.items()}


class Quantization:
    """Makes files of one float32 file by one recipe of the library, each with another calibration.

    The file is read once, which takes a third of the time of making one.
    """

    def __init__(self, float_model: bytes, rules: list[dict[str, Any]]) -> None:
        verify(float_model)
        self._quantizer = Quantizer(float_model, rules)

    def file(self, ranges: Mapping[str, tuple[float, float]] | None = None) -> bytes:
        """The file with these ranges of activations, which it needs where they are integers."""
        statistics = None if ranges is None else statistics_of(ranges)
        with warnings.catch_warnings():  # that looking at all tensors takes memory
            warnings.simplefilter("ignore", UserWarning)
            result = self._quantizer.quantize(statistics, enable_progress_bar=False, enable_progress_report=False)
        return bytes(result.quantized_model)


def quantize(float_model: bytes, variant: Variant, calibration: Calibration | None = None) -> bytes:
    """The variant's file, made of the float32 file (`convert_float`'s); of `float32` that file itself.

    Integer variants take and give integers: input, output and all between. The same arguments give the same bytes.

    Raises VariantError when an operator stays behind, so that the file would not be what its name says.
    """
    assert variant.name in RECIPES or variant.is_converted, f"{variant.name} has no recipe"
    assert calibration is not None or not variant.calibrated, f"{variant.name} needs a calibration"
    quantized = float_model
    if variant.name in RECIPES:
        ranges = calibration.of_bits(_bits(variant)) if variant.calibrated and calibration else None
        quantized = Quantization(float_model, RECIPES[variant.name]).file(ranges)
    check(variant, census(quantized))
    return quantized


def _bits(variant: Variant) -> int:
    """Of the activations of an integer variant."""
    return 16 if variant.activations == "int16" else 8


def statistics_of(ranges: Mapping[str, tuple[float, float]]) -> dict[str, dict[str, np.ndarray]]:
    """The ranges in the form that litert-quantizer takes."""
    return {
        name: {"min": np.array([low], np.float32), "max": np.array([high], np.float32)}
        for name, (low, high) in ranges.items()
    }
