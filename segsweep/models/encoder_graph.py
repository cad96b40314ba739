"""Rebuilds one of Keras's applications, layer by layer under the same names, as the way down of a segmentation model.

What changes on the way:

- scaling and normalizing layers are left out: that is the input pipeline's work;
- so is dropout, whose random state no checkpoint holds;
- operators that are no layers (`x + 3`) become layers; `swish`, and activations inside convolutions, become layers of
  their own, so that quantization can round between them;
- batch norms follow the data within a small training;
- strides beyond the output stride wanted become dilations (Chen et al. 2017, https://arxiv.org/abs/1706.05587).
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
import tf_keras as keras
from tf_keras import layers
from tf_keras.src.layers.core.tf_op_layer import TFOpLambda

from segsweep.models.blocks import BATCH_NORM_MOMENTUM
from segsweep.models.constant_layers import Factor, Offset
from segsweep.models.encoders import Encoder

_SIDE = 64
"""Height and width that the application is looked at with; any even size down to the last features will do."""
_NUMBERED = re.compile(r"(re_lu|multiply|tf\.)[^/]*$")
"""Names that Keras gives with a running number, another in each model."""


@dataclass(frozen=True)
class Features:
    """What an encoder makes of an image at one resolution."""

    stride: int
    """How much smaller than the image they are."""
    tensor: tf.Tensor


def application(encoder: Encoder, alpha: float, channels: int) -> keras.Model:
    """Keras's own model without top, for images (N, 64, 64, channels), with random weights."""
    build = getattr(keras.applications, encoder.application)
    settings: dict[str, Any] = {"alpha": alpha} if encoder.has_alpha else {}
    if encoder.application.startswith(("MobileNetV3", "EfficientNetV2")):
        settings["include_preprocessing"] = False
    image = keras.Input((_SIDE, _SIDE, channels), name="image")
    return build(include_top=False, weights=None, input_tensor=image, **settings)


def encode(encoder: Encoder, alpha: float, image: tf.Tensor, output_stride: int = 32) -> list[Features]:
    """The encoder's features, finest first: before each halving of the resolution, and the last.

    Height and width of `image` are multiples of `output_stride`, which the last features are smaller by at most.
    """
    original = application(encoder, alpha, image.shape[-1])
    graph = _Rebuilt(image, output_stride)
    last = original.output._keras_history.layer.name
    for layer in original.layers:
        if layer.name == encoder.head:
            (last,) = _inputs(layer)
            break
        graph.add(layer)
    return [*graph.features, Features(min(graph.strides[last], output_stride), graph.tensors[last])]


class _Rebuilt:
    """A copy of a functional model, as far as it has got."""

    def __init__(self, image: tf.Tensor, output_stride: int) -> None:
        self.image = image
        self.output_stride = output_stride
        self.tensors: dict[str, tf.Tensor] = {}
        """What the copy of each of the model's layers gives, by the name of the original."""
        self.strides: dict[str, int] = {}
        """How much smaller than the image the original's output is."""
        self.features: list[Features] = []
        self._counts: Counter[str] = Counter()

    def add(self, layer: layers.Layer) -> None:
        """Copy a layer whose inputs are already there."""
        inputs = _inputs(layer)
        stride = max((self.strides[name] for name in inputs), default=1)
        step = _step(layer)
        # Towards the end all strides are removed.
        if step > 1 and stride < self.output_stride:
            self._note_features(layer, stride)
        self.strides[layer.name] = stride * step
        rebuild = _REBUILDERS.get(type(layer), _Rebuilt.copy)
        self.tensors[layer.name] = rebuild(self, layer, [self.tensors[name] for name in inputs])

    def _note_features(self, layer: layers.Layer, stride: int) -> None:
        (source,) = _inputs(layer)
        before = layer.inbound_nodes[0].inbound_layers
        if isinstance(before, layers.ZeroPadding2D):
            (source,) = _inputs(before)
        known = {features.stride for features in self.features}
        if self.tensors[source] is not self.image and stride not in known:
            self.features.append(Features(stride, self.tensors[source]))

    def copy(self, layer: layers.Layer, inputs: list[tf.Tensor], **changes: Any) -> tf.Tensor:
        """The same layer with some settings changed, on the copied inputs."""
        config = {**layer.get_config(), "name": self.name(layer), **changes}
        return type(layer).from_config(config)(inputs[0] if len(inputs) == 1 else inputs)

    def name(self, layer: layers.Layer) -> str:
        """The layer's name; counted in this model where Keras counts over all models."""
        match = _NUMBERED.match(layer.name)
        if not match:
            return layer.name
        kind = match[1].replace("tf.", "constant")
        self._counts[kind] += 1
        return f"encoder_{kind}_{self._counts[kind]}"

    def rate(self, layer: layers.Layer) -> int:
        """How many pixels of the copy lie between neighbours in the original, at the layer's input."""
        return max(1, max(self.strides[name] for name in _inputs(layer)) // self.output_stride)

    def is_stride_removed(self, layer: layers.Layer) -> bool:
        """Whether the layer keeps the resolution that its original reduces."""
        stride = max(self.strides[name] for name in _inputs(layer))
        return _step(layer) > 1 and stride >= self.output_stride


def _inputs(layer: layers.Layer) -> list[str]:
    """Names of the layers that feed a layer."""
    if isinstance(layer, layers.InputLayer):
        return []
    return [tensor._keras_history.layer.name for tensor in tf.nest.flatten(layer.input)]


def _step(layer: layers.Layer) -> int:
    """By how much a layer reduces the resolution; global pooling, whose output is no map any more, does not count."""
    strides = getattr(layer, "strides", 1)
    return strides[0] if isinstance(strides, tuple | list) else strides


def _image(graph: _Rebuilt, layer: layers.Layer, inputs: list[tf.Tensor]) -> tf.Tensor:
    return graph.image


def _left_out(graph: _Rebuilt, layer: layers.Layer, inputs: list[tf.Tensor]) -> tf.Tensor:
    return inputs[0]


def _operator(graph: _Rebuilt, layer: layers.Layer, inputs: list[tf.Tensor]) -> tf.Tensor:
    """`x + 3` or `x * (1 / 6)`, of hard-swish and hard-sigmoid."""
    (node,) = layer.inbound_nodes
    (value,) = (each for each in (*node.call_args, *node.call_kwargs.values()) if isinstance(each, float))
    operator = {"__operators__.add": Offset, "math.multiply": Factor}[layer.get_config()["function"]]
    return operator(value, name=graph.name(layer))(inputs[0])


def _product(graph: _Rebuilt, layer: layers.Layer, inputs: list[tf.Tensor]) -> tf.Tensor:
    """Of hard-swish, as `(x / 6) * relu6(x + 3)`: in the order of the original, `x * (relu6(x + 3) / 6)`, the converter
    makes HARD_SWISH of it, which TFLite cannot compute with int16."""
    x, gate = inputs
    factor = gate._keras_history.layer
    if isinstance(factor, Factor) and factor.input._keras_history.layer.input._keras_history.layer.input is x:
        inputs = [Factor(factor.value, name=f"{factor.name}_input")(x), factor.input]
    return graph.copy(layer, inputs)


def _activation(graph: _Rebuilt, layer: layers.Layer, inputs: list[tf.Tensor]) -> tf.Tensor:
    return _activated(inputs[0], layer.activation.__name__, layer.name)


def _activated(x: tf.Tensor, function: str, name: str) -> tf.Tensor:
    """An activation of its own layer, or layers."""
    if function != "swish":
        return layers.Activation(function, name=name)(x)
    return layers.Multiply(name=name)([x, layers.Activation("sigmoid", name=f"{name}_sigmoid")(x)])


def _convolution(graph: _Rebuilt, layer: layers.Layer, inputs: list[tf.Tensor]) -> tf.Tensor:
    rate, kernel = graph.rate(layer), layer.kernel_size[0]
    changes: dict[str, Any] = {"activation": "linear"}
    if rate > 1 and kernel > 1:
        changes["dilation_rate"] = rate
    if graph.is_stride_removed(layer):
        changes["strides"] = 1
        if layer.padding == "same" and kernel > 1:
            # At an even size, TensorFlow pads more behind than before: so the maps stay in register.
            before = (kernel - _step(layer)) // 2
            inputs = [_padded(inputs[0], before, kernel, rate, f"{layer.name}_pad")]
            changes["padding"] = "valid"
    x = graph.copy(layer, inputs, **changes)
    function = layer.activation.__name__
    return x if function == "linear" else _activated(x, function, f"{layer.name}_activation")


def _padding(graph: _Rebuilt, layer: layers.Layer, inputs: list[tf.Tensor]) -> tf.Tensor:
    after = layer.outbound_nodes[0].outbound_layer
    stride = graph.strides[_inputs(layer)[0]]
    if stride < graph.output_stride or _step(after) == 1:
        return graph.copy(layer, inputs)
    (before, _), _ = layer.padding
    return _padded(inputs[0], before, after.kernel_size[0], graph.rate(layer), layer.name)


def _padded(x: tf.Tensor, before: int, kernel: int, rate: int, name: str) -> tf.Tensor:
    """Padded so that a dilated convolution keeps the size; `before` is what the original pads before."""
    behind = (kernel - 1 - before) * rate
    return layers.ZeroPadding2D(((before * rate, behind), (before * rate, behind)), name=name)(x)


def _pooling(graph: _Rebuilt, layer: layers.Layer, inputs: list[tf.Tensor]) -> tf.Tensor:
    if not graph.is_stride_removed(layer):
        return graph.copy(layer, inputs)
    assert graph.rate(layer) == 1, "pooling cannot be dilated"
    return graph.copy(layer, inputs, strides=1, padding="same")


def _batch_norm(graph: _Rebuilt, layer: layers.Layer, inputs: list[tf.Tensor]) -> tf.Tensor:
    return graph.copy(layer, inputs, momentum=BATCH_NORM_MOMENTUM)


_REBUILDERS: Mapping[type, Callable[[_Rebuilt, layers.Layer, list[tf.Tensor]], tf.Tensor]] = {
    layers.InputLayer: _image,
    layers.Rescaling: _left_out,
    layers.Normalization: _left_out,
    layers.Dropout: _left_out,
    TFOpLambda: _operator,
    layers.Multiply: _product,
    layers.Activation: _activation,
    layers.Conv2D: _convolution,
    layers.DepthwiseConv2D: _convolution,
    layers.ZeroPadding2D: _padding,
    layers.MaxPooling2D: _pooling,
    layers.BatchNormalization: _batch_norm,
}
"""What becomes of a layer, by its type; all others are copied."""
