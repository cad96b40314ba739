"""Makes a model that computes, while it trains, with the rounding of its int8 file."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import tensorflow as tf
import tf_keras as keras
from tensorflow_model_optimization.python.core.quantization.keras.quantize_layer import QuantizeLayer
from tensorflow_model_optimization.python.core.quantization.keras.quantize_wrapper import QuantizeWrapperV2
from tf_keras import layers

from segsweep.errors import ModelError
from segsweep.models.constant_layers import Factor, Offset
from segsweep.models.dropout import CountedDropout
from segsweep.quantization.activation_ranges import quantizers
from segsweep.quantization.batch_norm_folding import fold_batch_norm, foldable
from segsweep.quantization.choices import CHOICES, Choice
from segsweep.quantization.fake_quantization import WHOLE_KERNEL, ActivationQuantizer, LayerQuantizeConfig
from segsweep.quantization.float_twin import float_twin, weight_name
from segsweep.quantization.rounding_layout import INPUT_PLACE, rounding_layout
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
    plain = rounding_layout(fold_batch_norm(model) if rounds == BY_TENSOR else model)
    plain.trainable = True
    rounding = _Rounding(_Precision(rounds, precision or {}), frozenset(foldable(plain)))
    # Rewriting the Python of its layers (autograph) would take as long as all else, for no effect.
    clone = tf.autograph.experimental.do_not_convert(keras.models.clone_model)
    aware = clone(plain, clone_function=rounding.wrapped)
    for wrapper in aware.layers:
        if isinstance(wrapper, QuantizeWrapperV2):
            # The layer itself does not know its kernel any more: the wrapper has put the rounded one in its place.
            own = {weight_name(variable): variable for variable in wrapper.weights}
            for variable in plain.get_layer(wrapper.layer.name).weights:
                own[weight_name(variable)].assign(variable)
    return aware


def exportable(aware: keras.Model, model: keras.Model) -> keras.Model:
    """A quantization-aware model as it is converted: batch norms folded, ranges as they have been learned.

    Args:
        aware: made of `model`, or of another one of the same architecture.
        model: float, whose weights do not matter.
    """
    if not any(isinstance(_wrapped(layer), layers.BatchNormalization) for layer in aware.layers):
        return aware
    folded = quantization_aware(fold_batch_norm(float_twin(aware, model)))
    learned = {quantizer.layer: quantizer.range for quantizer in quantizers(aware)}
    norms = {before: norm for norm, before in foldable(rounding_layout(model)).items()}
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
    consumers = _consumers(layer)
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


@dataclass(frozen=True)
class _Rounding:
    """How each layer of a model is rounded.

    The toolkit's own `quantize_apply` is not used: it copies the model four times, and gives the input the range of all
    values ever seen.
    """

    precision: _Precision
    folded: Collection[str]
    """Names of the batch norms that are folded into the layers before them when the file is made."""

    def wrapped(self, layer: layers.Layer) -> layers.Layer:
        """A new layer that computes as one of the float model does, and rounds."""
        if layer.name == INPUT_PLACE:
            is_rounded = all(self.precision.of(each.name).activation_bits == 8 for each in _consumers(layer))
            return QuantizeLayer(ActivationQuantizer(), name=INPUT_PLACE) if is_rounded else _copy(layer)
        return QuantizeWrapperV2(_copy(layer), self._config(layer))

    def _config(self, layer: layers.Layer) -> LayerQuantizeConfig:
        rounding = _OWN_RANGE if layer.name in self.folded else _rounding(layer)
        assert rounding is not None, layer.name
        choice = self.precision.of(layer.name)
        is_rounded = choice.weights.startswith("int")
        weights = {name: self.precision.layout(layout) for name, layout in rounding.weights.items() if is_rounded}
        output = rounding.output and choice.activation_bits == 8 and not _fuses_next(layer, self.folded)
        return LayerQuantizeConfig(weights, output, choice.weight_bits)


def _copy(layer: layers.Layer) -> layers.Layer:
    return type(layer).from_config(layer.get_config())


def _consumers(layer: layers.Layer) -> list[layers.Layer]:
    """The layers that take what a layer gives."""
    return [node.outbound_layer for node in layer.outbound_nodes]
