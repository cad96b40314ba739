"""The U-Net (Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597), padded so that sizes stay."""

from dataclasses import replace

import tf_keras as keras
from tf_keras import layers

from segsweep.config.model_schema import UnetConfig
from segsweep.models.blocks import Style, double_convolution, up_convolution


def build(config: UnetConfig, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """A model from images (N, H, W, C) to logits (N, H, W, classes); H and W are multiples of `2**config.depth`."""
    style = Style(config.batch_norm, config.separable, config.residual)
    widths = [config.width * 2**level for level in range(config.depth + 1)]

    image = keras.Input(input_shape, name="image")
    # Of a few bands, a depthwise convolution would take one filter each.
    x = double_convolution(image, widths[0], "enc0", replace(style, separable=False))
    skips = []
    for level in range(1, config.depth + 1):
        skips.append(x)
        x = layers.MaxPooling2D(2, name=f"enc{level}_pool")(x)
        x = double_convolution(x, widths[level], f"enc{level}", style)
    for level in reversed(range(config.depth)):
        x = up_convolution(x, config.upsampling, widths[level], f"dec{level}_up", style)
        x = layers.Concatenate(name=f"dec{level}_concat")([x, skips[level]])
        x = double_convolution(x, widths[level], f"dec{level}", style)
    logits = layers.Conv2D(classes, 1, name="logits")(x)
    return keras.Model(image, logits, name=config.name)
