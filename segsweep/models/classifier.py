"""A classifier on one of Keras's applications, as in https://keras.io/guides/transfer_learning/."""

import tf_keras as keras
from tf_keras import layers

from segsweep.config.model_schema import ClassifierConfig
from segsweep.models.blocks import convolution
from segsweep.models.dropout import CountedDropout
from segsweep.models.encoder_graph import encode
from segsweep.models.encoders import encoder_of


def build(config: ClassifierConfig, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """A model from images (N, H, W, C) to logits (N, 1, 1, classes); H and W are multiples of the encoder's stride."""
    encoder = encoder_of(config)
    assert encoder is not None
    image = keras.Input(input_shape, name="image")
    *_, last = encode(encoder, config.alpha, image)
    x = layers.GlobalAveragePooling2D(keepdims=True, name="pool")(last.tensor)
    x = convolution(x, config.width, "hidden", kernel=1)
    if config.dropout:
        x = CountedDropout(config.dropout, name="dropout")(x)
    return keras.Model(image, layers.Conv2D(classes, 1, name="logits")(x), name=config.name)
