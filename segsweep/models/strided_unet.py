"""A small U-Net (Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597) that goes down by strided convolutions."""

from collections.abc import Callable

import tensorflow as tf
import tf_keras as keras
from tf_keras import layers

from segsweep.config.schema import StridedUnetConfig
from segsweep.errors import ConfigError

BATCH_NORM_MOMENTUM = 0.9
"""Keras's 0.99 needs some 500 steps to forget its start; a small training has 6 steps an epoch."""


def build(config: StridedUnetConfig, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """A model from images (N, H, W, C) to logits (N, H, W, classes); H and W are multiples of `2**config.depth`."""
    if config.upsampling not in UPSAMPLINGS:
        raise ConfigError(
            f"model.upsampling={config.upsampling} is unknown; there are {', '.join(sorted(UPSAMPLINGS))}"
        )
    upsample = UPSAMPLINGS[config.upsampling]
    widths = [config.width * 2**level for level in range(config.depth + 1)]

    image = keras.Input(input_shape, name="image")
    x = _conv(image, widths[0], "enc0")
    skips = []
    for level in range(1, config.depth + 1):
        skips.append(x)
        x = _conv(x, widths[level], f"enc{level}_down", stride=2)
        x = _conv(x, widths[level], f"enc{level}")
    for level in reversed(range(config.depth)):
        x = upsample(widths[level], f"dec{level}_up")(x)
        x = layers.Concatenate(name=f"dec{level}_concat")([x, skips[level]])
        x = _conv(x, widths[level], f"dec{level}")
    logits = layers.Conv2D(classes, 1, name="logits")(x)
    return keras.Model(image, logits, name=config.name)


def _conv(x: tf.Tensor, filters: int, name: str, stride: int = 1) -> tf.Tensor:
    """3x3 convolution, batch norm, ReLU."""
    x = layers.Conv2D(
        filters, 3, strides=stride, padding="same", use_bias=False, kernel_initializer="he_normal", name=f"{name}_conv"
    )(x)
    x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


UPSAMPLINGS: dict[str, Callable[[int, str], keras.layers.Layer]] = {
    "nearest": lambda _, name: layers.UpSampling2D(2, interpolation="nearest", name=name),
    "bilinear": lambda _, name: layers.UpSampling2D(2, interpolation="bilinear", name=name),
    "transposed": lambda filters, name: layers.Conv2DTranspose(filters, 2, strides=2, name=name),
}
"""From name to a layer that doubles the resolution, given the channels of the level and the layer's name."""
