"""Losses of regions: how far the area of each class and its prediction overlap, softly counted over a batch."""

import numpy as np
import tensorflow as tf

from segsweep.config.loss_schema import RegionSettings, TverskySettings
from segsweep.training.losses.counted_pixels import Loss, mean_over_classes, probabilities_by_class

_SMALLEST = 1e-7
"""Of a class's loss: powers below 1 have no finite slope at 0."""


def dice(settings: RegionSettings, weights: np.ndarray | None) -> Loss:
    """1 - (2 I + s) / (P + T + s): P and T the predicted and true area, I what they share, s `smooth`."""
    # As a Tversky index it is (I + s/2) / (P/2 + T/2 + s/2).
    return _tversky(0.5, 0.5, settings.smooth / 2, 1.0, settings, weights)


def jaccard(settings: RegionSettings, weights: np.ndarray | None) -> Loss:
    """1 - (I + s) / (P + T - I + s), as for `dice`."""
    return _tversky(1.0, 1.0, settings.smooth, 1.0, settings, weights)


def tversky(settings: TverskySettings, weights: np.ndarray | None) -> Loss:
    """(1 - (I + s) / (I + alpha (P - I) + beta (T - I) + s)) ** gamma, as for `dice`.

    Salehi et al. 2017, arXiv 1706.05721; with gamma, Abraham & Khan 2018, arXiv 1810.07842.
    """
    return _tversky(settings.alpha, settings.beta, settings.smooth, settings.gamma, settings, weights)


def _tversky(
    alpha: float, beta: float, smooth: float, gamma: float, settings: RegionSettings, weights: np.ndarray | None
) -> Loss:
    def loss(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        probabilities, truth = probabilities_by_class(logits, labels)
        shared = tf.reduce_sum(probabilities * truth, axis=0)
        false_positives = tf.reduce_sum(probabilities * (1 - truth), axis=0)
        false_negatives = tf.reduce_sum(truth, axis=0) - shared
        # 1 - index, without the difference of two near numbers.
        missed = alpha * false_positives + beta * tf.nn.relu(false_negatives)
        each = missed / (shared + missed + smooth)
        if gamma != 1:
            each = tf.pow(tf.maximum(each, _SMALLEST), gamma)
        return mean_over_classes(each, truth, weights, present_only=settings.present_only)

    return loss
