"""The layers of a network as a `.tflite` file has them, so that each can be rounded.

A file has two convolutions in the place of a separable one, and rounds its input before any layer takes it.
"""

from collections.abc import Iterator
from typing import Any

import tf_keras as keras
from tf_keras import layers

from segsweep.quantization.batch_norm_folding import renamed

INPUT_PLACE = "quantize_input"
"""Name of the layer in whose place the input is rounded."""

_SHARED = ("kernel_size", "strides", "padding", "data_format", "dilation_rate")


def depthwise_name(separable: str) -> str:
    """Name of the first half of a separable convolution; the second half keeps the name of the whole."""
    return f"{separable}_depthwise"


def rounding_layout(model: keras.Model) -> keras.Model:
    """A copy of a functional model, weights included, with a layer `INPUT_PLACE` that passes the input on.

    There are two convolutions for each separable one.
    """
    config = model.get_config()
    (source,) = (name for name, _, _ in config["input_layers"])
    entries = []
    for entry in config["layers"]:
        for half in _halves(entry):
            inbound = renamed(half["inbound_nodes"], {source: INPUT_PLACE})
            entries.append({**half, "inbound_nodes": inbound})
            if half["name"] == source:
                place = layers.Activation("linear", name=INPUT_PLACE).get_config()
                entries.append(
                    {"name": INPUT_PLACE, "class_name": "Activation", "config": place,
                     "inbound_nodes": [[[source, 0, 0, {}]]]}
                )  # fmt: skip
    config["layers"] = entries
    copy = type(model).from_config(config)
    for layer in model.layers:
        weights = layer.get_weights()
        if isinstance(layer, layers.SeparableConv2D):
            copy.get_layer(depthwise_name(layer.name)).set_weights(weights[:1])
            weights = weights[1:]
        copy.get_layer(layer.name).set_weights(weights)
    return copy


def _halves(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A layer of a Keras config, or the two that it consists of."""
    if entry["class_name"] != "SeparableConv2D":
        yield entry
        return
    separable, first = entry["config"], depthwise_name(entry["name"])
    depthwise = layers.DepthwiseConv2D(
        name=first,
        use_bias=False,
        depth_multiplier=separable["depth_multiplier"],
        **{key: separable[key] for key in _SHARED},
    )
    pointwise = layers.Conv2D(
        separable["filters"],
        1,
        name=entry["name"],
        data_format=separable["data_format"],
        use_bias=separable["use_bias"],
        activation=separable["activation"],
    )
    yield {**entry, "name": first, "class_name": "DepthwiseConv2D", "config": depthwise.get_config()}
    yield {
        **entry,
        "class_name": "Conv2D",
        "config": pointwise.get_config(),
        "inbound_nodes": [[[first, 0, 0, {}]]],
    }
