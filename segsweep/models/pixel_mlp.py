"""A multilayer perceptron of single pixels: 1x1 convolutions, which see the bands of a pixel and nothing around it."""

import tf_keras as keras
from tf_keras import layers

from segsweep.config.model_schema import PixelMlpConfig
from segsweep.models.blocks import convolution


def build(config: PixelMlpConfig, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """A model from images (N, H, W, C) to logits (N, H, W, classes), of any H and W; linear where `depth` is 0."""
    image = keras.Input(input_shape, name="image")
    x = image
    for level in range(config.depth):
        x = convolution(x, config.width, f"hidden{level}", kernel=1)
    return keras.Model(image, layers.Conv2D(classes, 1, name="logits")(x), name=config.name)
