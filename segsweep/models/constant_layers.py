"""Arithmetic with a constant, as layers that a saved model can name."""

from typing import Any

import tensorflow as tf
import tf_keras as keras
from tf_keras import layers


class _Constant(layers.Layer):
    """A layer with one number."""

    def __init__(self, value: float, **settings: Any) -> None:
        super().__init__(**settings)
        self.value = value

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "value": self.value}


@keras.utils.register_keras_serializable(package="segsweep")
class Offset(_Constant):
    """`x + value`."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs + tf.cast(self.value, inputs.dtype)


@keras.utils.register_keras_serializable(package="segsweep")
class Factor(_Constant):
    """`x * value`."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs * tf.cast(self.value, inputs.dtype)
