"""The quantizers of quantization-aware training: what rounds weights and activations in the forward pass.

The optimization toolkit's own average activation ranges with decay 0.999 from [-6, 6] on, which a fine-tune of a few
hundred steps never leaves; round depthwise and transposed kernels with one scale for all channels, where TFLite has one
for each; and do not round the weights of a Conv2D before a ReLU at all (`LayerReLUQuantize`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
import tf_keras as keras
from tensorflow_model_optimization.quantization.keras import QuantizeConfig
from tensorflow_model_optimization.quantization.keras.quantizers import Quantizer
from tf_keras import layers

RANGE_DECAY = 0.99
"""How much of an activation range is kept at each step; the first step sets it."""


@keras.utils.register_keras_serializable(package="segsweep")
class ActivationQuantizer(Quantizer):
    """Asymmetric int8, one scale; the range is a moving average of each batch's, and contains 0."""

    def build(self, tensor_shape: Any, name: str, layer: layers.Layer) -> dict[str, tf.Variable]:
        return {
            key: layer.add_weight(f"{name}_{key}", initializer=keras.initializers.Zeros(), trainable=False)
            for key in ("min", "max", "steps")
        }

    def __call__(self, inputs: tf.Tensor, training: bool, weights: dict[str, tf.Variable], **kwargs: Any) -> tf.Tensor:
        low, high = weights["min"], weights["max"]
        if training:
            kept = tf.where(weights["steps"] > 0, RANGE_DECAY, 0.0)
            low = low.assign(kept * low + (1 - kept) * tf.minimum(tf.reduce_min(inputs), 0.0))
            high = high.assign(kept * high + (1 - kept) * tf.maximum(tf.reduce_max(inputs), 0.0))
            weights["steps"].assign(tf.minimum(weights["steps"] + 1, 1.0))
        return tf.quantization.fake_quant_with_min_max_vars(inputs, low, high, num_bits=8)

    def get_config(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class Arrangement:
    """How a kernel's output channels come to stand last, and how it gets back."""

    there: Callable[[tf.Tensor], tf.Tensor]
    back: Callable[[tf.Tensor, tf.TensorShape], tf.Tensor]
    """The arranged kernel and the shape it had."""


ARRANGEMENTS: Mapping[str, Arrangement] = {
    # (..., out)
    "out_last": Arrangement(lambda kernel: kernel, lambda kernel, _: kernel),
    # (height, width, out, in)
    "in_last": Arrangement(
        lambda kernel: tf.transpose(kernel, (0, 1, 3, 2)), lambda kernel, _: tf.transpose(kernel, (0, 1, 3, 2))
    ),
    # (height, width, in, multiplier), in x multiplier output channels
    "depthwise": Arrangement(
        lambda kernel: tf.reshape(kernel, (*kernel.shape[:2], 1, kernel.shape[2] * kernel.shape[3])), tf.reshape
    ),
}
"""By the kernel's layout."""


@keras.utils.register_keras_serializable(package="segsweep")
class WeightQuantizer(Quantizer):
    """Symmetric int8 in -127..127 with a scale for each output channel, of the weights as they are at this step."""

    def __init__(self, arrangement: str) -> None:
        self.arrangement = arrangement

    def build(self, tensor_shape: Any, name: str, layer: layers.Layer) -> dict[str, tf.Variable]:
        return {}

    def __call__(self, inputs: tf.Tensor, training: bool, weights: dict[str, tf.Variable], **kwargs: Any) -> tf.Tensor:
        arrangement = ARRANGEMENTS[self.arrangement]
        kernel = arrangement.there(inputs)
        limit = tf.stop_gradient(tf.reduce_max(tf.abs(kernel), axis=list(range(kernel.shape.rank - 1))))
        limit = tf.maximum(limit, 1e-8)
        rounded = tf.quantization.fake_quant_with_min_max_vars_per_channel(
            kernel, -limit, limit, num_bits=8, narrow_range=True
        )
        return arrangement.back(rounded, inputs.shape)

    def get_config(self) -> dict[str, Any]:
        return {"arrangement": self.arrangement}


@keras.utils.register_keras_serializable(package="segsweep")
class LayerQuantizeConfig(QuantizeConfig):
    """Which of a layer's weights are rounded, and whether its output is."""

    def __init__(self, weights: Mapping[str, str], output: bool) -> None:
        """`weights`: name of the layer's attribute -> its layout, one of `ARRANGEMENTS`."""
        self.weights = dict(weights)
        self.output = output

    def get_weights_and_quantizers(self, layer: layers.Layer) -> list[tuple[tf.Variable, Quantizer]]:
        return [(getattr(layer, name), WeightQuantizer(layout)) for name, layout in self.weights.items()]

    def set_quantize_weights(self, layer: layers.Layer, quantize_weights: list[tf.Tensor]) -> None:
        for name, weight in zip(self.weights, quantize_weights, strict=True):
            setattr(layer, name, weight)

    def get_activations_and_quantizers(self, layer: layers.Layer) -> list[Any]:
        return []

    def set_quantize_activations(self, layer: layers.Layer, quantize_activations: list[Any]) -> None:
        assert not quantize_activations

    def get_output_quantizers(self, layer: layers.Layer) -> list[Quantizer]:
        return [ActivationQuantizer()] if self.output else []

    def get_config(self) -> dict[str, Any]:
        return {"weights": self.weights, "output": self.output}
