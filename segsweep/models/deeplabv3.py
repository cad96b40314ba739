"""DeepLabV3 (Chen et al. 2017, https://arxiv.org/abs/1706.05587) on one of Keras's applications."""

import tf_keras as keras
from tf_keras import layers

from segsweep.config.model_schema import Deeplabv3Config
from segsweep.models.blocks import Style, convolution
from segsweep.models.encoder_graph import encode
from segsweep.models.encoders import encoder_of

RATES = {8: (12, 24, 36), 16: (6, 12, 18)}
"""Dilations of the pyramid's branches by output stride (section 3.3)."""


def build(config: Deeplabv3Config, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """A model from images (N, H, W, C) to logits (N, H, W, classes); H and W are multiples of the output stride."""
    encoder = encoder_of(config)
    assert encoder is not None
    style, width = Style(separable=config.separable), config.width

    image = keras.Input(input_shape, name="image")
    *_, last = encode(encoder, config.alpha, image, config.output_stride)
    branches = [convolution(last.tensor, width, "aspp0", style, kernel=1)]
    for number, rate in enumerate(RATES[config.output_stride], start=1):
        branches.append(convolution(last.tensor, width, f"aspp{number}", style, dilation=rate))
    pooled = layers.GlobalAveragePooling2D(keepdims=True, name="aspp_pool")(last.tensor)
    pooled = convolution(pooled, width, "aspp_pool", style, kernel=1)
    # Of a single pixel, bilinear resizing makes the same as the nearest.
    branches.append(layers.UpSampling2D(last.tensor.shape[1:3], name="aspp_pool_up")(pooled))
    x = layers.Concatenate(name="aspp_concat")(branches)
    x = convolution(x, width, "aspp", style, kernel=1)
    logits = layers.Conv2D(classes, 1, name="logits")(x)
    logits = layers.UpSampling2D(last.stride, interpolation="bilinear", name="logits_up")(logits)
    return keras.Model(image, logits, name=config.name)
