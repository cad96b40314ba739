"""Quantization-aware training for a recipe: what it says of the layers of a file, said of the layers of the model."""

from collections.abc import Callable, Mapping

import tensorflow as tf
import tf_keras as keras
from tf_keras import layers

from segsweep.errors import ModelError
from segsweep.quantization.batch_norm_folding import SCALINGS
from segsweep.quantization.choices import Choice
from segsweep.quantization.quantization_aware import quantization_aware
from segsweep.quantization.recipe import Recipe
from segsweep.quantization.rounding_layout import depthwise_name


def aware_of(model: keras.Model, recipe: Recipe) -> keras.Model:
    """The quantization-aware model of a float one that rounds as a recipe says.

    Weights of 8 and 4 bits are rounded, and activations of 8 bits that a layer makes. Those of 16 bits are not, whose
    steps are too small to matter, nor what `dynamic_` choices round as it comes. Raises ModelError for layers that
    cannot be trained so, naming them.
    """
    return quantization_aware(model, precision=precision(model, recipe))


def precision(model: keras.Model, recipe: Recipe) -> Mapping[str, Choice]:
    """What each layer is to be computed in, by its name; one without weights as the layer before it.

    A separable convolution is two layers in the file: its depthwise half has a name of its own, as `rounding_layout`
    gives it, the other one its own name. Raises ModelError where the recipe names a layer that the model does not have.
    """
    weighted = [layer.name for layer in model.layers if type(layer) in SCALINGS]
    strays = [name for name in recipe.layers if not any(_is_called(name, layer) for layer in weighted)]
    if strays:
        raise ModelError(
            f"the recipe names {strays[0]}, which is no layer of the model {model.name}; its layers are "
            f"{', '.join(weighted)}"
        )
    found: dict[str, Choice] = {}
    for layer in model.layers:
        before = [each.name for node in layer.inbound_nodes for each in tf.nest.flatten(node.inbound_layers)]
        if type(layer) in SCALINGS:
            for half, is_half in _halves(layer).items():
                called = (name for name in recipe.layers if _is_called(name, layer.name) and is_half(name))
                found[half] = recipe.of(next(called, "")).what
        else:
            found[layer.name] = found[before[0]] if before else recipe.default.what
    return found


def _halves(layer: layers.Layer) -> Mapping[str, Callable[[str], bool]]:
    """The names that a layer has in a quantization-aware model, and which of its names in a file belong to each."""
    if not isinstance(layer, layers.SeparableConv2D):
        return {layer.name: lambda name: True}
    return {depthwise_name(layer.name): _is_depthwise, layer.name: lambda name: not _is_depthwise(name)}


def _is_depthwise(name: str) -> bool:
    """Whether a name in a file, as `unet/dec0_conv/separable_conv2d/depthwise`, is that of a depthwise half.

    Names of operators that were fused stand behind it, each after a semicolon.
    """
    return "/separable_conv2d/depthwise" in name.partition(";")[0]


def _is_called(name: str, layer: str) -> bool:
    """Whether that is what a file calls the layer: its name stands between the model's and the operator's."""
    return f"/{layer}/" in f"/{name}/"
