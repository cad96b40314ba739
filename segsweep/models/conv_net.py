"""A small convolutional network for one class an image, in the way of Xception (Chollet 2017, arXiv 1610.02357)."""

import tf_keras as keras
from tf_keras import layers

from segsweep.config.model_schema import ConvNetConfig
from segsweep.models.blocks import Style, convolution, double_convolution
from segsweep.models.dropout import CountedDropout


def build(config: ConvNetConfig, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """A model from images (N, H, W, C) to logits (N, 1, 1, classes); H and W are multiples of `2**config.depth`."""
    style = Style(batch_norm=config.batch_norm, separable=config.separable, residual=config.residual)
    first = Style(batch_norm=config.batch_norm)

    image = keras.Input(input_shape, name="image")
    x = convolution(image, config.width, "stem", first)
    for level in range(config.depth + 1):
        x = double_convolution(x, config.width * 2**level, f"level{level}", style)
        if level < config.depth:
            x = layers.MaxPooling2D(2, name=f"level{level}_pool")(x)
        if config.dropout:
            x = CountedDropout(config.dropout, seed=level, name=f"level{level}_dropout")(x)
    x = layers.GlobalAveragePooling2D(keepdims=True, name="pool")(x)
    return keras.Model(image, layers.Conv2D(classes, 1, name="logits")(x), name=config.name)
