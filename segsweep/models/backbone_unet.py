"""A U-Net (Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597) on one of Keras's applications."""

import tf_keras as keras
from tf_keras import layers

from segsweep.config.model_schema import BackboneUnetConfig
from segsweep.models.blocks import Style, double_convolution, up_convolution
from segsweep.models.encoder_graph import encode
from segsweep.models.encoders import encoder_of


def build(config: BackboneUnetConfig, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """A model from images (N, H, W, C) to logits (N, H, W, classes); H and W are multiples of the encoder's stride."""
    encoder = encoder_of(config)
    assert encoder is not None
    style = Style(separable=config.separable, residual=config.residual)

    image = keras.Input(input_shape, name="image")
    *skips, deepest = encode(encoder, config.alpha, image)
    by_stride = {features.stride: features.tensor for features in skips}
    x = deepest.tensor
    for level in reversed(range(deepest.stride.bit_length() - 1)):
        filters = config.width * 2**level
        x = up_convolution(x, config.upsampling, filters, f"dec{level}_up", style)
        if 2**level in by_stride:
            x = layers.Concatenate(name=f"dec{level}_concat")([x, by_stride[2**level]])
        x = double_convolution(x, filters, f"dec{level}", style)
    logits = layers.Conv2D(classes, 1, name="logits")(x)
    return keras.Model(image, logits, name=config.name)
