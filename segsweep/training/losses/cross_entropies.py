"""Losses of single pixels: cross-entropy, and what is made of it."""

import numpy as np
import tensorflow as tf

from segsweep.config.loss_schema import FocalSettings
from segsweep.config.schema import LossConfig
from segsweep.training.losses.counted_pixels import Loss, counted_truth, pixel_weights

_SMALLEST = 1e-7
"""Of 1 - p: powers below 1 have no finite slope at 0."""


def cross_entropy(_: LossConfig, weights: np.ndarray | None) -> Loss:
    """Cross-entropy of the softmax; weighted, it is the mean with each pixel's weight that of its true class."""
    return _mean_over_pixels(0.0, weights)


def focal(settings: FocalSettings, weights: np.ndarray | None) -> Loss:
    """Cross-entropy times (1 - p) ** gamma, p the probability of the true class; the mean as for `cross_entropy`.

    Lin et al. 2017, Focal Loss for Dense Object Detection, arXiv 1708.02002, equation 4.
    """
    return _mean_over_pixels(settings.gamma, weights)


def partial_cross_entropy(settings: FocalSettings, weights: np.ndarray | None) -> Loss:
    """The focal loss as the mean over the labelled pixels of each image, then over the images that have any.

    So an image with three labelled points counts as much as one with thousands.
    """

    def loss(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        each, share = _by_pixel(logits, labels, settings.gamma, weights)
        shares = tf.reduce_sum(share, axis=(1, 2))
        of_images = tf.math.divide_no_nan(tf.reduce_sum(each * share, axis=(1, 2)), shares)
        labelled = tf.reduce_sum(tf.cast(shares > 0, tf.float32))
        return tf.math.divide_no_nan(tf.reduce_sum(of_images), labelled)

    return loss


def _mean_over_pixels(gamma: float, weights: np.ndarray | None) -> Loss:
    def loss(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        each, share = _by_pixel(logits, labels, gamma, weights)
        return tf.math.divide_no_nan(tf.reduce_sum(each * share), tf.reduce_sum(share))

    return loss


def _by_pixel(
    logits: tf.Tensor, labels: tf.Tensor, gamma: float, weights: np.ndarray | None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Loss and weight of each pixel, (B, H, W)."""
    counted, truth = counted_truth(labels)
    each = tf.nn.sparse_softmax_cross_entropy_with_logits(truth, tf.cast(logits, tf.float32))
    if gamma != 0:
        # 1 - p, from -log p.
        each *= tf.pow(tf.maximum(-tf.math.expm1(-each), _SMALLEST), gamma)
    return each, pixel_weights(counted, truth, weights)
