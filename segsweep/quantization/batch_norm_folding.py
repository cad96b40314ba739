"""Multiplies batch norms into the weights of the layers before them.

The optimization toolkit folds Conv2D -> BatchNormalization -> ReLU alone; after a dilated or transposed convolution it
leaves float operators inside an integer file. With no batch norm left there is nothing for it to miss.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tf_keras as keras
from tf_keras import layers

Weights = list[np.ndarray]


@dataclass(frozen=True)
class _Scaling:
    """How a layer's output channels are scaled by its weights."""

    kernel: int
    """Which of the layer's weights makes the output channels."""
    scale: Callable[[np.ndarray, np.ndarray], np.ndarray]
    """The kernel and a factor for each output channel -> the kernel, scaled."""


def _last_axis(kernel: np.ndarray, factor: np.ndarray) -> np.ndarray:
    return kernel * factor


def _depthwise(kernel: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Kernel (height, width, in, multiplier); the output's channels are in x multiplier."""
    return kernel * factor.reshape(kernel.shape[2:])


def _transposed(kernel: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Kernel (height, width, out, in)."""
    return kernel * factor[:, np.newaxis]


SCALINGS: Mapping[type, _Scaling] = {
    layers.Conv2D: _Scaling(0, _last_axis),
    layers.DepthwiseConv2D: _Scaling(0, _depthwise),
    layers.Conv2DTranspose: _Scaling(0, _transposed),
    layers.SeparableConv2D: _Scaling(1, _last_axis),
    layers.Dense: _Scaling(0, _last_axis),
}
"""The layers that a batch norm can be folded into."""


def foldable(model: keras.Model) -> dict[str, str]:
    """The batch norms that can be folded: name of the batch norm -> name of the layer before it.

    That layer is linear, of a type in `SCALINGS`, used once, and feeds the batch norm alone.
    """
    config = model.get_config()
    by_name = {layer.name: layer for layer in model.layers}
    uses = Counter(name for entry in config["layers"] for name in _references(entry["inbound_nodes"], by_name))
    uses.update(_references(config["output_layers"], by_name))
    pairs = {}
    for entry in config["layers"]:
        norm = by_name[entry["name"]]
        if type(norm) is not layers.BatchNormalization or len(entry["inbound_nodes"]) != 1:
            continue
        (before,) = set(_references(entry["inbound_nodes"], by_name))
        layer = by_name[before]
        linear = getattr(layer, "activation", None) is keras.activations.linear
        if type(layer) in SCALINGS and linear and uses[before] == 1 and _over_last_axis(layer, norm):
            pairs[norm.name] = before
    return pairs


def fold_batch_norm(model: keras.Model) -> keras.Model:
    """A functional model without the batch norms that are `foldable`, with the same outputs at inference to 1e-5.

    The layers left keep their names and weights, and all can be trained; the given model is not changed. Batch norms
    elsewhere stay.
    """
    pairs = foldable(model)
    config = model.get_config()
    config["layers"] = [entry for entry in config["layers"] if entry["name"] not in pairs]
    for entry in config["layers"]:
        entry["inbound_nodes"] = renamed(entry["inbound_nodes"], pairs)
        if "trainable" in entry["config"]:
            entry["config"]["trainable"] = True
        if entry["name"] in pairs.values():
            entry["config"]["use_bias"] = True
    config["output_layers"] = renamed(config["output_layers"], pairs)
    folded = type(model).from_config(config)
    norms = {before: model.get_layer(norm) for norm, before in pairs.items()}
    for layer in folded.layers:
        original = model.get_layer(layer.name)
        norm = norms.get(layer.name)
        layer.set_weights(original.get_weights() if norm is None else _folded_weights(original, norm))
    return folded


def _folded_weights(layer: layers.Layer, norm: layers.BatchNormalization) -> Weights:
    mean = norm.moving_mean.numpy().astype(np.float64)
    deviation = np.sqrt(norm.moving_variance.numpy().astype(np.float64) + norm.epsilon)
    factor = (norm.gamma.numpy() if norm.scale else 1.0) / deviation
    shift = norm.beta.numpy() if norm.center else 0.0
    weights = layer.get_weights()
    bias = weights.pop() if layer.use_bias else 0.0
    scaling = SCALINGS[type(layer)]
    weights[scaling.kernel] = scaling.scale(weights[scaling.kernel], factor)
    return [*weights, (bias - mean) * factor + shift]


def _over_last_axis(layer: layers.Layer, norm: layers.BatchNormalization) -> bool:
    last = len(layer.output_shape) - 1
    return list(norm.axis) == [last] and getattr(layer, "data_format", "channels_last") == "channels_last"


def _is_reference(item: Any, names: Mapping[str, Any]) -> bool:
    """Whether a part of a Keras config points to an output of a layer: [name, node, tensor, ...]."""
    return (
        isinstance(item, list | tuple)
        and len(item) >= 3
        and isinstance(item[0], str)
        and item[0] in names
        and all(isinstance(index, int) for index in item[1:3])
    )


def _references(item: Any, names: Mapping[str, Any]) -> Iterator[str]:
    """The names of the layers that a part of a Keras config points to, keyword arguments of calls included."""
    if _is_reference(item, names):
        yield item[0]
        item = item[3:]
    if isinstance(item, Mapping):
        item = list(item.values())
    if isinstance(item, list | tuple):
        for part in item:
            yield from _references(part, names)


def renamed(item: Any, pairs: Mapping[str, str]) -> Any:
    """A part of a Keras config that points to other layers: from the name of a layer to the name in its place."""
    if _is_reference(item, pairs):
        item = [pairs[item[0]], *item[1:]]
    if isinstance(item, Mapping):
        return {key: renamed(part, pairs) for key, part in item.items()}
    if isinstance(item, list | tuple):
        return [renamed(part, pairs) for part in item]
    return item
