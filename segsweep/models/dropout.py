"""Dropout that goes on the same after an interruption: its draws follow from a count that is among the weights."""

from typing import Any

import tensorflow as tf
import tf_keras as keras
from tf_keras import layers


@keras.utils.register_keras_serializable(package="segsweep")
class CountedDropout(layers.Layer):
    """Sets a share of its input to 0 in each training step, and scales the rest up; Srivastava et al. 2014, JMLR 15.

    What is drawn depends on the seed and on how many steps there were; Keras's own layer keeps that in a generator
    that no checkpoint holds.
    """

    def __init__(self, rate: float, seed: int = 0, **settings: Any) -> None:
        """`rate`: the share, 0 <= rate < 1."""
        super().__init__(**settings)
        self.rate = rate
        self.seed = seed

    def build(self, input_shape: Any) -> None:
        self.steps = self.add_weight("steps", shape=(), dtype=tf.int32, initializer="zeros", trainable=False)
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not training or self.rate == 0:
            return inputs
        self.steps.assign_add(1)
        return tf.nn.experimental.stateless_dropout(inputs, self.rate, tf.stack([self.seed, self.steps]))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
