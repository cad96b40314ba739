"""The float network with the weights that a quantization-aware one has learned."""

from collections.abc import Iterator

import tensorflow as tf
import tf_keras as keras
from tf_keras import layers

from segsweep.quantization.batch_norm_folding import fold_batch_norm
from segsweep.quantization.rounding_layout import depthwise_name


def float_twin(aware: keras.Model, model: keras.Model) -> keras.Model:
    """The float model with the weights of a quantization-aware one, not rounded.

    Its batch norms are those of the quantization-aware one, so that its file names layers as that of the float training
    does, and a recipe fits both.

    Args:
        aware: made of `model`, or of another one of the same architecture.
        model: float, whose weights do not matter; batch norms are folded in it where they are in `aware`.
    """
    learned = {wrapper.layer.name: wrapper for wrapper in aware.layers if hasattr(wrapper, "layer")}
    keeps_norms = any(isinstance(wrapper.layer, layers.BatchNormalization) for wrapper in learned.values())
    twin = keras.models.clone_model(model) if keeps_norms else fold_batch_norm(model)
    for layer in twin.layers:
        for variable, source, name in _sources(layer):
            if source in learned:
                (value,) = (each for each in learned[source].weights if weight_name(each) == name)
                variable.assign(value)
    return twin


def _sources(layer: layers.Layer) -> Iterator[tuple[tf.Variable, str, str]]:
    """Each variable of a layer, with the layer of the quantization-aware model that has it, and its name there."""
    separable = isinstance(layer, layers.SeparableConv2D)
    for variable in layer.weights:
        name = weight_name(variable)
        if separable and name == "depthwise_kernel":
            yield variable, depthwise_name(layer.name), name
        else:
            yield variable, layer.name, "kernel" if separable and name == "pointwise_kernel" else name


def weight_name(variable: tf.Variable) -> str:
    """Name of a variable within its layer."""
    return variable.name.rpartition("/")[2].partition(":")[0]
