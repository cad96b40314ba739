"""The Lovász-softmax loss: what mean IoU becomes when it is extended to probabilities."""

import numpy as np
import tensorflow as tf

from segsweep.config.loss_schema import LovaszSettings
from segsweep.training.losses.counted_pixels import Loss, mean_over_classes, probabilities_by_class


def lovasz(settings: LovaszSettings, weights: np.ndarray | None) -> Loss:
    """Lovász-softmax over all the pixels of a batch.

    Berman, Rannen Triki & Blaschko 2018, The Lovász-Softmax loss, arXiv 1705.08790, algorithm 1 and equation 11.
    """

    def loss(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        probabilities, truth = probabilities_by_class(logits, labels)
        # Ignored pixels have error 0: they come last, where they weigh on nothing.
        errors = tf.transpose(tf.abs(truth - probabilities))
        ordered, order = tf.math.top_k(errors, k=tf.shape(errors)[1])
        steps = _jaccard_steps(tf.gather(tf.transpose(truth), order, batch_dims=1))
        each = tf.reduce_sum(ordered * steps, axis=1)
        return mean_over_classes(each, truth, weights, present_only=settings.present_only)

    return loss


def _jaccard_steps(truth: tf.Tensor) -> tf.Tensor:
    """How much 1 - IoU grows with each further pixel that is wrong, (K, N), for truth (K, N) in that order."""
    area = tf.reduce_sum(truth, axis=1, keepdims=True)
    intersection = area - tf.cumsum(truth, axis=1)
    union = area + tf.cumsum(1 - truth, axis=1)
    losses = 1 - tf.math.divide_no_nan(intersection, union)
    return tf.concat([losses[:, :1], losses[:, 1:] - losses[:, :-1]], axis=1)
