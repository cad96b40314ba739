"""A small U-Net (Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597) that goes down by strided convolutions."""

import tf_keras as keras
from tf_keras import layers

from segsweep.config.schema import StridedUnetConfig
from segsweep.models.blocks import convolution, upsampling


def build(config: StridedUnetConfig, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """A model from images (N, H, W, C) to logits (N, H, W, classes); H and W are multiples of `2**config.depth`."""
    widths = [config.width * 2**level for level in range(config.depth + 1)]

    image = keras.Input(input_shape, name="image")
    x = convolution(image, widths[0], "enc0")
    skips = []
    for level in range(1, config.depth + 1):
        skips.append(x)
        x = convolution(x, widths[level], f"enc{level}_down", stride=2)
        x = convolution(x, widths[level], f"enc{level}")
    for level in reversed(range(config.depth)):
        x = upsampling(config.upsampling, widths[level], f"dec{level}_up")(x)
        x = layers.Concatenate(name=f"dec{level}_concat")([x, skips[level]])
        x = convolution(x, widths[level], f"dec{level}")
    logits = layers.Conv2D(classes, 1, name="logits")(x)
    return keras.Model(image, logits, name=config.name)
