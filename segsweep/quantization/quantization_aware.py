"""Makes a model that computes, while it trains, with the rounding of its int8 file."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import tensorflow as tf
import tf_keras as keras
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import default_8bit_transforms
from tensorflow_model_optimization.python.core.quantization.keras.graph_transformations import model_transformer
from tensorflow_model_optimization.python.core.quantization.keras.graph_transformations.transforms import LayerNode
from tensorflow_model_optimization.python.core.quantization.keras.quantize_layer import QuantizeLayer
from tensorflow_model_optimization.python.core.quantization.keras.quantize_layout_transform import (
    QuantizeLayoutTransform,
)
from tensorflow_model_optimization.python.core.quantization.keras.quantize_registry import QuantizeRegistry
from tensorflow_model_optimization.python.core.quantization.keras.quantize_scheme import QuantizeScheme
from tensorflow_model_optimization.python.core.quantization.keras.utils import serialize_layer
from tensorflow_model_optimization.quantization.keras import quantize_annotate_model, quantize_apply
from tf_keras import layers

from segsweep.errors import ModelError
from segsweep.models.constant_layers import Factor, Offset
from segsweep.models.dropout import CountedDropout
from segsweep.quantization.activation_ranges import quantizers
from segsweep.quantization.batch_norm_folding import fold_batch_norm, foldable
from segsweep.quantization.choices import CHOICES, Choice
from segsweep.quantization.fake_quantization import WHOLE_KERNEL, ActivationQuantizer, LayerQuantizeConfig
from segsweep.quantization.float_twin import float_twin
from segsweep.quantization.separable_splitting import split_separable
from segsweep.quantization.training_kinds import BY_CHANNEL, BY_TENSOR


@dataclass(frozen=True)
class LayerRounding:
    """Where the int8 file rounds inside a layer."""

    output: bool
    """Whether its output gets a range of its own; if not, it has its input's, or one that TFLite fixes."""
    weights: Mapping[str, str] = field(default_factory=dict)
    """Name of the attribute -> layout, one of `INPUT_AXES`."""


_OWN_RANGE = LayerRounding(output=True)
_PASSES_ON = LayerRounding(output=False)

LAYERS: Mapping[type, LayerRounding] = {
    layers.Conv2D: LayerRounding(True, {"kernel": "convolution"}),
    layers.DepthwiseConv2D: LayerRounding(True, {"depthwise_kernel": "depthwise"}),
    layers.Conv2DTranspose: LayerRounding(True, {"kernel": "transposed"}),
    layers.Dense: LayerRounding(True, {"kernel": "dense"}),
    # Split into the two convolutions above.
    layers.SeparableConv2D: _OWN_RANGE,
    layers.ReLU: _OWN_RANGE,
    layers.LeakyReLU: _OWN_RANGE,
    layers.Add: _OWN_RANGE,
    layers.Multiply: _OWN_RANGE,
    Offset: _OWN_RANGE,
    Factor: _OWN_RANGE,
    layers.Concatenate: _OWN_RANGE,
    layers.GlobalAveragePooling2D: _OWN_RANGE,
    # These two keep their input's range in TFLite; with ranges of their own, the toolkit's choice, resizing rounds
    # twice and the converter refuses pooling ("violate the same scale constraint").
    layers.UpSampling2D: _PASSES_ON,
    layers.AveragePooling2D: _PASSES_ON,
    layers.MaxPooling2D: _PASSES_ON,
    layers.ZeroPadding2D: _PASSES_ON,
    layers.Cropping2D: _PASSES_ON,
    layers.Reshape: _PASSES_ON,
    layers.Flatten: _PASSES_ON,
    layers.Permute: _PASSES_ON,
    layers.Dropout: _PASSES_ON,
    layers.SpatialDropout2D: _PASSES_ON,
    CountedDropout: _PASSES_ON,
}
"""The layers that can be trained quantization-aware."""

ACTIVATIONS: Mapping[str, LayerRounding] = {
    "linear": _PASSES_ON,
    "relu": _OWN_RANGE,
    "relu6": _OWN_RANGE,
    "sigmoid": _PASSES_ON,
    "tanh": _PASSES_ON,
    "softmax": _PASSES_ON,
}
"""The same for `Activation` layers, by their function; the last three have ranges that TFLite fixes."""

FUSED_ACTIVATIONS = frozenset({"linear", "relu", "relu6"})
"""What a layer may have as its own `activation`: these are computed before its output is rounded."""

_FUSES_RELU = frozenset(
    {layers.Conv2D, layers.DepthwiseConv2D, layers.Conv2DTranspose, layers.Dense, layers.Add, Offset}
)


def unsupported_layers(model: keras.Model) -> list[str]:
    """The layers of a functional model that cannot be trained quantization-aware, as `name (Type)`; nothing is built.

    Batch norms count unless they can be folded into the layer before them.
    """
    folded = foldable(model)
    return [
        f"{layer.name} ({_kind(layer)})"
        for layer in model.layers
        if layer.name not in folded and not isinstance(layer, layers.InputLayer) and _rounding(layer) is None
    ]


def quantization_aware(
    model: keras.Model, rounds: str = BY_CHANNEL, precision: Mapping[str, Choice] | None = None
) -> keras.Model:
    """A model with the same weights that rounds to int8 in its forward pass; to be compiled anew.

    Its weights are copies, all of them trainable. Batch norms stay: with a scale for the weights of each output
    channel, rounding before them and rounding the folded weights is the same. Only where all weights of a layer share a
    scale (`rounds` is `BY_TENSOR`), batch norms are folded first. Activation ranges are to be set before use
    (:func:`segsweep.quantization.activation_ranges.start_ranges`).

    Args:
        model: functional, float.
        rounds: `BY_CHANNEL` or `BY_TENSOR`.
        precision: what layers are to be computed in, by name, where that is not int8: of integer weights each has its
            bits, of 8-bit activations those that a layer makes are rounded.

    Raises:
        ModelError: it has layers that cannot be rounded; they are named.
    """
    unsupported = unsupported_layers(model)
    if unsupported:
        raise ModelError(
            f"model {model.name} cannot be trained quantization-aware because of {', '.join(unsupported)}; "
            "choose another model, or quantization=int8"
        )
    copy = split_separable(fold_batch_norm(model) if rounds == BY_TENSOR else model)
    copy.trainable = True
    scheme = _Scheme(_Precision(rounds, precision or {}), frozenset(foldable(copy)))
    # Rewriting the Python of its layers (autograph) would take as long as all else, for no effect.
    build = tf.autograph.experimental.do_not_convert(quantize_apply)
    return build(quantize_annotate_model(copy), scheme=scheme)


def exportable(aware: keras.Model, model: keras.Model) -> keras.Model:
    """A quantization-aware model as it is converted: batch norms folded, ranges as they have been learned.

    Args:
        aware: made of `model`, or of another one of the same architecture.
        model: float, whose weights do not matter.
    """
    if not any(isinstance(_wrapped(layer), layers.BatchNormalization) for layer in aware.layers):
        return aware
    folded = quantization_aware(float_twin(aware, model))
    learned = {quantizer.layer: quantizer.range for quantizer in quantizers(aware)}
    norms = {before: norm for norm, before in foldable(split_separable(model)).items()}
    for quantizer in quantizers(folded):
        quantizer.start(*learned[norms.get(quantizer.layer, quantizer.layer)])
    return folded


def _rounding(layer: layers.Layer) -> LayerRounding | None:
    if type(layer) is layers.Activation:
        return ACTIVATIONS.get(_function(layer))
    if _function(layer) not in FUSED_ACTIVATIONS:
        return None
    return LAYERS.get(type(layer))


def _function(layer: layers.Layer) -> str:
    """Name of the layer's activation function."""
    function = getattr(layer, "activation", keras.activations.linear)
    return getattr(function, "__name__", type(function).__name__)


def _kind(layer: layers.Layer) -> str:
    function = _function(layer)
    return type(layer).__name__ if function in FUSED_ACTIVATIONS else f"{type(layer).__name__} {function}"


def _is_fused_relu(layer: layers.Layer) -> bool:
    """Whether TFLite computes the layer as the last step of the operator before it."""
    if type(layer) is layers.Activation:
        return _function(layer) in {"relu", "relu6"}
    plain = type(layer) is layers.ReLU and not layer.negative_slope and not layer.threshold
    return plain and layer.max_value in (None, 6)


def _fuses_next(layer: layers.Layer, folded: Collection[str]) -> bool:
    """Whether only the output of the layer after it is rounded: of a ReLU, or of a batch norm that is `folded`."""
    consumers = [node.outbound_layer for node in layer.outbound_nodes]
    if len(consumers) != 1 or _function(layer) != "linear":
        return False
    if consumers[0].name in folded:
        return True
    return (type(layer) in _FUSES_RELU or layer.name in folded) and _is_fused_relu(consumers[0])


def _wrapped(layer: layers.Layer) -> layers.Layer:
    """The layer in the toolkit's wrapper."""
    return getattr(layer, "layer", layer)


@dataclass(frozen=True)
class _Precision:
    """In what layers are computed."""

    rounds: str
    choices: Mapping[str, Choice]

    def of(self, name: str) -> Choice:
        return self.choices.get(name, CHOICES["int8"])

    def layout(self, layout: str) -> str:
        return layout if self.rounds == BY_CHANNEL else WHOLE_KERNEL


class _Registry(QuantizeRegistry):
    """Tells the toolkit how to round each layer of the model."""

    def __init__(self, precision: _Precision, folded: Collection[str]) -> None:
        self._precision, self._folded = precision, folded

    def supports(self, layer: layers.Layer) -> bool:
        return layer.name in self._folded or _rounding(layer) is not None

    def get_quantize_config(self, layer: layers.Layer) -> LayerQuantizeConfig:
        rounding = _OWN_RANGE if layer.name in self._folded else _rounding(layer)
        assert rounding is not None, layer.name
        choice = self._precision.of(layer.name)
        is_rounded = choice.weights.startswith("int")
        weights = {name: self._precision.layout(layout) for name, layout in rounding.weights.items() if is_rounded}
        output = rounding.output and choice.activation_bits == 8 and not _fuses_next(layer, self._folded)
        return LayerQuantizeConfig(weights, output, choice.weight_bits)


class _InputRounding(default_8bit_transforms.InputLayerQuantize):
    """Rounds the input as any activation, where the toolkit takes the smallest and the largest value ever seen."""

    def replacement(self, match_layer: LayerNode) -> LayerNode:
        layer = QuantizeLayer(ActivationQuantizer(), name="quantize_input")
        config = serialize_layer(layer, use_legacy_format=True)
        return LayerNode({**config, "name": layer.name}, input_layers=[match_layer])

    def custom_objects(self) -> dict[str, type]:
        return {"QuantizeLayer": QuantizeLayer, "ActivationQuantizer": ActivationQuantizer}


class _Layout(QuantizeLayoutTransform):
    """Gives the input a quantizer, where it has 8 bits."""

    def __init__(self, precision: _Precision) -> None:
        self._precision = precision

    def apply(self, model: keras.Model, layer_quantize_map: dict) -> tuple[keras.Model, dict]:
        is_rounded = all(self._precision.of(name).activation_bits == 8 for name in _first_layers(model))
        transforms = [_InputRounding()] if is_rounded else []
        names = set(layer_quantize_map)
        return model_transformer.ModelTransformer(model, transforms, names, layer_quantize_map).transform()


class _Scheme(QuantizeScheme):
    def __init__(self, precision: _Precision, folded: Collection[str]) -> None:
        self._precision, self._folded = precision, folded

    def get_layout_transformer(self) -> QuantizeLayoutTransform:
        return _Layout(self._precision)

    def get_quantize_registry(self) -> QuantizeRegistry:
        return _Registry(self._precision, self._folded)


def _first_layers(model: keras.Model) -> list[str]:
    """Names of the layers that take the model's input."""
    inputs = [layer for layer in model.layers if isinstance(layer, layers.InputLayer)]
    return [node.outbound_layer.name for layer in inputs for node in layer.outbound_nodes]
