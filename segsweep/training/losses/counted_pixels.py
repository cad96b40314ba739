"""What every loss starts from: which pixels count, and their true class."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from segsweep.data.dataset import IGNORE

Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""From logits (B, H, W, K) and labels (B, H, W) uint8 to a scalar float32, at least 0."""


def counted_truth(labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Which pixels are not `IGNORE`, bool, and the class of each, int32, 0 where ignored; of the labels' shape."""
    counted = tf.not_equal(labels, IGNORE)
    return counted, tf.where(counted, tf.cast(labels, tf.int32), 0)


def pixel_weights(counted: tf.Tensor, truth: tf.Tensor, weights: np.ndarray | None) -> tf.Tensor:
    """Weight of each pixel, float32: that of its class, or 1 without weights; 0 where it does not count."""
    share = tf.cast(counted, tf.float32)
    return share if weights is None else share * tf.gather(tf.constant(weights, tf.float32), truth)


def probabilities_by_class(logits: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Probabilities and truth of all N pixels, each (N, K) float32, both 0 where ignored."""
    counted, truth = (tf.reshape(each, [-1]) for each in counted_truth(labels))
    classes = logits.shape[-1]
    share = tf.cast(counted, tf.float32)[:, tf.newaxis]
    probabilities = tf.nn.softmax(tf.reshape(tf.cast(logits, tf.float32), [-1, classes])) * share
    return probabilities, tf.one_hot(truth, classes) * share


def mean_over_classes(
    each: tf.Tensor, truth: tf.Tensor, weights: np.ndarray | None, *, present_only: bool
) -> tf.Tensor:
    """Weighted mean of what classes have, (K,), given the truth (N, K); 0 where no class counts.

    With `present_only`, classes without a pixel in the truth do not count.
    """
    share = tf.ones_like(each) if weights is None else tf.constant(weights, tf.float32)
    if present_only:
        share *= tf.cast(tf.reduce_any(truth > 0, axis=0), tf.float32)
    return tf.math.divide_no_nan(tf.reduce_sum(each * share), tf.reduce_sum(share))
