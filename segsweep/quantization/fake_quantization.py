"""The quantizers of quantization-aware training: what rounds weights and activations in the forward pass.

The optimization toolkit's own average activation ranges with decay 0.999 from [-6, 6] on, which a fine-tune of a few
hundred steps never leaves; round depthwise and transposed kernels with one scale for all channels, where TFLite has one
for each; and do not round the weights of a Conv2D before a ReLU at all (`LayerReLUQuantize`).
"""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf
import tf_keras as keras
from tensorflow_model_optimization.quantization.keras import QuantizeConfig
from tensorflow_model_optimization.quantization.keras.quantizers import Quantizer
from tf_keras import layers

EMPTY_RANGE = 1e-6
"""An activation range that is narrower is taken for 0 to 1: of one that is all but empty, as behind a ReLU that lets
nothing through, the scale would be so small that XNNPACK cannot run the file."""

Observer = Callable[[tf.Tensor], None]


@keras.utils.register_keras_serializable(package="segsweep")
class ActivationQuantizer(Quantizer):
    """Asymmetric int8, one scale; the range contains 0, starts where it is told to, and is learned.

    Each end is multiplied by the exponential of a trainable number, 0 at first, so that a step of the optimizer moves
    ranges of any size by the same share. An end learns from the values that lie beyond it, as in PACT (Choi et al.
    2018, https://arxiv.org/abs/1805.06085); that scales are best learned by their logarithm is from TQT (Jain et al.
    2019, https://arxiv.org/abs/1903.08066).
    """

    def __init__(self) -> None:
        self.observer: Observer | None = None
        """Where it is set, values are given to it and go on as they are."""

    def build(self, tensor_shape: Any, name: str, layer: layers.Layer) -> dict[str, tf.Variable]:
        zeros = keras.initializers.Zeros()
        return {
            key: layer.add_weight(f"{name}_{key}", initializer=zeros, trainable=key.startswith("log"))
            for key in ("min", "max", "log_min", "log_max")
        }

    def __call__(self, inputs: tf.Tensor, training: bool, weights: dict[str, tf.Variable], **kwargs: Any) -> tf.Tensor:
        if self.observer is not None:
            self.observer(inputs)
            return inputs
        low, high = weights["min"] * tf.exp(weights["log_min"]), weights["max"] * tf.exp(weights["log_max"])
        high = tf.where(high - low < EMPTY_RANGE, 1.0, high)
        return tf.quantization.fake_quant_with_min_max_vars(inputs, low, high, num_bits=8)

    def get_config(self) -> dict[str, Any]:
        return {}


WHOLE_KERNEL = "whole"
"""The layout of a kernel all of which shares a scale."""

INPUT_AXES: Mapping[str, tuple[int, ...] | None] = {
    "dense": (0,),
    "convolution": (0, 1, 2),
    "depthwise": (0, 1),
    "transposed": (0, 1, 3),
    WHOLE_KERNEL: None,
}
"""By layout of a kernel: the axes that lead to the same output channel, and so share a scale.

(in, out), (height, width, in, out), (height, width, in, multiplier), (height, width, out, in).
"""


@keras.utils.register_keras_serializable(package="segsweep")
class WeightQuantizer(Quantizer):
    """Symmetric int8 in -127..127 with a scale for each output channel, or one for all, of the weights at this step.

    Plain arithmetic, with the identity for a gradient: the converter finds constants that lie on its own int8 grid.
    It refuses a `fake_quant` by channel before the transpose of a Conv2DTranspose ("mismatched quantized axes").
    """

    def __init__(self, layout: str, bits: int = 8) -> None:
        """`bits`: of an integer; those below 8 from -(2 ** (bits - 1) - 1) on."""
        self.layout, self.bits = layout, bits

    def build(self, tensor_shape: Any, name: str, layer: layers.Layer) -> dict[str, tf.Variable]:
        return {}

    def __call__(self, inputs: tf.Tensor, training: bool, weights: dict[str, tf.Variable], **kwargs: Any) -> tf.Tensor:
        if self.layout == WHOLE_KERNEL:
            # Here it needs to be told: by itself it gives each channel a scale.
            largest = tf.maximum(tf.reduce_max(tf.abs(inputs)), 1e-12)
            return tf.quantization.fake_quant_with_min_max_vars(
                inputs, -largest, largest, num_bits=8, narrow_range=True
            )
        largest = tf.reduce_max(tf.abs(inputs), axis=INPUT_AXES[self.layout], keepdims=True)
        scale = tf.maximum(largest, 1e-12) / (2.0 ** (self.bits - 1) - 1)
        rounded = tf.round(inputs / scale) * scale
        return inputs + tf.stop_gradient(rounded - inputs) if training else rounded

    def get_config(self) -> dict[str, Any]:
        return {"layout": self.layout, "bits": self.bits}


@keras.utils.register_keras_serializable(package="segsweep")
class LayerQuantizeConfig(QuantizeConfig):
    """Which of a layer's weights are rounded, and whether its output is."""

    def __init__(self, weights: Mapping[str, str], output: bool, bits: int = 8) -> None:
        """`weights`: name of the layer's attribute -> its layout, one of `INPUT_AXES`; `bits`: of a weight."""
        self.weights = dict(weights)
        self.output = output
        self.bits = bits

    def get_weights_and_quantizers(self, layer: layers.Layer) -> list[tuple[tf.Variable, Quantizer]]:
        return [(getattr(layer, name), WeightQuantizer(layout, self.bits)) for name, layout in self.weights.items()]

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
        return {"weights": self.weights, "output": self.output, "bits": self.bits}
