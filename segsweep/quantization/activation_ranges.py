"""The ranges that a quantization-aware model rounds its activations in: where they start, and what they became."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
import tf_keras as keras
from tensorflow_model_optimization.python.core.quantization.keras.quantize_layer import QuantizeLayer

from segsweep.quantization.fake_quantization import ActivationQuantizer
from segsweep.quantization.range_rules import RULES, RangeChoice, TensorValues

INPUT = ""
"""The place of the quantizer of a model's input."""

_BATCH = 8
_VALUES = 2048
"""Values of an image that are kept of each activation, evenly spread."""


@dataclass(frozen=True)
class PlacedQuantizer:
    """The quantizer of what a layer gives."""

    layer: str
    """Name of the layer as it is called in the float model; `INPUT` for the input."""
    quantizer: ActivationQuantizer
    variables: Mapping[str, tf.Variable]

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest value, as far as they have been learned."""
        low, high = (
            float(self.variables[end].numpy() * np.exp(self.variables[f"log_{end}"].numpy())) for end in ("min", "max")
        )
        return low, high

    def start(self, low: float, high: float) -> None:
        """Set the range, from which it is learned."""
        for name, value in (("min", min(low, 0.0)), ("max", max(high, 0.0)), ("log_min", 0.0), ("log_max", 0.0)):
            self.variables[name].assign(value)


def quantizers(aware: keras.Model) -> Iterator[PlacedQuantizer]:
    """The quantizers of the activations of a quantization-aware model, in the order of its layers."""
    for layer in aware.layers:
        if isinstance(layer, QuantizeLayer):
            yield PlacedQuantizer(INPUT, layer.quantizer, layer.quantizer_vars)
        elif getattr(layer, "_output_quantizers", None):
            yield PlacedQuantizer(layer.layer.name, layer._output_quantizers[0], layer._output_quantizer_vars)


def start_ranges(aware: keras.Model, images: np.ndarray, choice: RangeChoice, percentile: float) -> None:
    """Set all ranges by what the activations are when none is rounded.

    Args:
        aware: a quantization-aware model.
        images: (N, H, W, C) float32, normalized; one at least. Their order does not matter.
        choice: the rule for the input, and that for all else.
        percentile: of the rule `percentile`.
    """
    placed = list(quantizers(aware))
    observed = [_Observed() for _ in placed]
    for each, seen in zip(placed, observed, strict=True):
        each.quantizer.observer = seen
    for start in range(0, len(images), _BATCH):
        aware(images[start : start + _BATCH], training=False)
    for each, seen in zip(placed, observed, strict=True):
        each.quantizer.observer = None
        rule = choice.input if each.layer == INPUT else choice.activations
        each.start(*RULES[rule](seen.values, percentile))


class _Observed:
    """What an activation takes, batch by batch."""

    def __init__(self) -> None:
        self._values: list[np.ndarray] = []
        self._lows: list[np.ndarray] = []
        self._highs: list[np.ndarray] = []

    def __call__(self, activations: tf.Tensor) -> None:
        flat = activations.numpy().reshape(len(activations), -1)
        places = np.linspace(0, flat.shape[1] - 1, min(_VALUES, flat.shape[1])).astype(np.int64)
        self._values.append(flat[:, places].ravel())
        self._lows.append(flat.min(axis=1))
        self._highs.append(flat.max(axis=1))

    @property
    def values(self) -> TensorValues:
        return TensorValues(*map(np.concatenate, (self._values, self._lows, self._highs)))
