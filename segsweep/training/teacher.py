"""Learning from the logits of a trained network beside the labels (knowledge distillation).

Hinton, Vinyals and Dean 2015, Distilling the Knowledge in a Neural Network (arXiv:1503.02531).
"""

from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf
import tf_keras as keras

from segsweep.config.training_schema import TEMPERATURE


@dataclass(frozen=True)
class Rescaling:
    """From images as the student's training normalizes them to images as the teacher's did: `factor * x + shift`."""

    factor: np.ndarray
    """(C,) float32."""
    shift: np.ndarray
    """(C,) float32."""


@dataclass(frozen=True)
class Teacher:
    """A trained network, which stays as it is: its variables are in no gradient and in no checkpoint."""

    model: keras.Model = field(repr=False)
    """For images of the student's size, with the student's classes; computes in inference mode."""
    weight: float
    """Of the divergence, beside the loss of the labels; > 0."""
    temperature: float = TEMPERATURE
    rescaling: Rescaling | None = field(default=None, repr=False)
    """None where both networks take the same images."""

    def logits(self, images: tf.Tensor) -> tf.Tensor:
        """Logits (B, H, W, K) float32 of images (B, H, W, C), normalized as the student takes them."""
        if self.rescaling is not None:
            images = images * self.rescaling.factor + self.rescaling.shift
        return tf.cast(self.model(images, training=False), tf.float32)


def divergence(taught: tf.Tensor, logits: tf.Tensor, seen: tf.Tensor, temperature: float) -> tf.Tensor:
    """Mean over pixels of the Kullback-Leibler divergence KL(teacher || student), times the squared temperature.

    Probabilities are the softmax of logits divided by the temperature; the square keeps the size of the gradient
    independent of it (Hinton et al. 2015, section 2.1).

    Args:
        taught: logits of the teacher, (B, H, W, K) float32.
        logits: logits of the student, of the same shape.
        seen: which pixels count, (B, H, W) bool.
        temperature: > 0.

    Returns:
        A scalar float32, in nats, at least 0; 0 where no pixel counts.
    """
    expected, found = tf.nn.log_softmax(taught / temperature), tf.nn.log_softmax(logits / temperature)
    by_pixel = tf.reduce_sum(tf.exp(expected) * (expected - found), axis=-1)
    share = tf.cast(seen, tf.float32)
    return temperature**2 * tf.math.divide_no_nan(tf.reduce_sum(by_pixel * share), tf.reduce_sum(share))
