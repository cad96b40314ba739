"""Splits separable convolutions into the two convolutions that a `.tflite` file has in their place."""

from collections.abc import Iterator
from typing import Any

import tf_keras as keras
from tf_keras import layers

_SHARED = ("kernel_size", "strides", "padding", "data_format", "dilation_rate")


def depthwise_name(separable: str) -> str:
    """Name of the first half of a separable convolution; the second half keeps the name of the whole."""
    return f"{separable}_depthwise"


def split_separable(model: keras.Model) -> keras.Model:
    """A copy of a functional model, weights included, with two convolutions for each separable one."""
    config = model.get_config()
    config["layers"] = [half for entry in config["layers"] for half in _halves(entry)]
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
