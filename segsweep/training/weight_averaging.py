"""An exponential moving average of a model's weights, which takes the place of its last ones."""

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf
import tf_keras as keras


class WeightAverage:
    """The moving average of all weights over the steps of the optimizer, batch-norm statistics included.

    Step n, counted from 0, keeps min(decay, (1 + n) / (10 + n)) of the average before it, so that the initial weights
    are soon forgotten; as `tf.train.ExponentialMovingAverage` with `num_updates`. Averages of this kind go back to
    Polyak and Juditsky (1992).
    """

    def __init__(self, model: keras.Model, decay: float) -> None:
        """The average begins as the weights are now; 0 < decay < 1."""
        self._model = model
        averaged = [weight for weight in model.weights if weight.dtype.is_floating]
        averages = [tf.Variable(weight, trainable=False) for weight in averaged]
        steps = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._averages = dict(zip((id(weight) for weight in averaged), averages, strict=True))
        self.variables = [steps, *averages]
        """All that it takes to go on after an interruption."""

        @tf.function(input_signature=[])
        @tf.autograph.experimental.do_not_convert
        def update() -> None:
            count = tf.cast(steps, tf.float32)
            kept = tf.minimum(decay, (1 + count) / (10 + count))
            for average, weight in zip(averages, averaged, strict=True):
                average.assign_sub(tf.cast(1 - kept, average.dtype) * (average - weight))
            steps.assign_add(1)

        self.update = update.get_concrete_function()
        """To be called after each step of the optimizer."""

    @contextmanager
    def in_model(self) -> Iterator[None]:
        """Meanwhile the model has the averages as its weights."""
        weights = self._model.get_weights()
        found = [self._averages.get(id(weight), weight) for weight in self._model.weights]
        self._model.set_weights([each.numpy() for each in found])
        try:
            yield
        finally:
            self._model.set_weights(weights)
