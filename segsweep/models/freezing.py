"""Which of a model's layers keep their weights while it trains."""

import re

import tf_keras as keras

from segsweep.config.schema import ModelConfig
from segsweep.models.encoders import encoder_of, frozen_blocks


def freeze(model: keras.Model, config: ModelConfig, frozen: str) -> None:
    """Freeze the encoder's first blocks and let all else learn; to be called before a step is traced.

    `frozen` is `none`, `all`, or a number of blocks counted from the input. Frozen batch norms also use and keep their
    statistics. The order of `model.weights` stays. Does nothing for a model without encoder; raises ConfigError for
    more blocks than there are.
    """
    count = frozen_blocks(config, frozen)
    for layer, number in encoder_blocks(model, config):
        layer.trainable = number >= count


def encoder_blocks(model: keras.Model, config: ModelConfig) -> list[tuple[keras.layers.Layer, int]]:
    """The layers of the model's encoder, each with the number of its block, from 0 at the input."""
    encoder = encoder_of(config)
    if encoder is None:
        return []
    numbers: dict[str, int] = {}
    found = []
    for layer in model.layers:
        match = re.match(encoder.block, layer.name)
        if match:
            name = next(group for group in match.groups() if group)
            found.append((layer, numbers.setdefault(name, len(numbers))))
    return found


def unfrozen_copy(model: keras.Model) -> keras.Model:
    """The same functional model with copies of its weights, all of them trainable."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    copy.trainable = True
    return copy
