"""The losses, by name. Each is a function of logits (B, H, W, K) and labels (B, H, W) uint8 that gives a scalar."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from segsweep.config.schema import LossConfig
from segsweep.data.dataset import IGNORE
from segsweep.errors import ConfigError

Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def build_loss(config: LossConfig, *, classes: int, class_frequencies: np.ndarray | None = None) -> Loss:
    """The loss that `config` names: the mean over the pixels that are not `IGNORE`; 0 where there are none.

    `class_frequencies` (classes,) are the training pixels of each class; `class_weights=balanced` needs them.
    Raises ConfigError for an unknown name or for weights that do not fit the classes.
    """
    if config.name not in LOSSES:
        raise ConfigError(f"loss={config.name} is unknown; there are {', '.join(sorted(LOSSES))}")
    return LOSSES[config.name](class_weights(config.class_weights, classes, class_frequencies))


def class_weights(setting: object, classes: int, class_frequencies: np.ndarray | None) -> np.ndarray | None:
    """The weight of each class, (classes,) float32, or None where all count alike.

    `balanced` is `pixels / (classes that occur * pixels of the class)`, as in scikit-learn's compute_class_weight; a
    class that does not occur weighs 1.
    """
    if setting is None:
        return None
    if setting == "balanced":
        if class_frequencies is None:
            raise ValueError("balanced class weights need class_frequencies")
        counts = np.asarray(class_frequencies, np.float64)
        present = counts > 0
        balanced = np.ones(classes, np.float32)
        balanced[present] = counts.sum() / (present.sum() * counts[present])
        return balanced
    if isinstance(setting, str) or not isinstance(setting, Sequence):
        raise ConfigError(f"loss.class_weights={setting} is none of null, balanced and a list of numbers")
    weights = np.asarray(setting, np.float32)
    if weights.shape != (classes,) or not np.isfinite(weights).all() or weights.min() < 0 or weights.max() == 0:
        raise ConfigError(f"loss.class_weights={list(setting)} must be {classes} numbers >= 0, one a class, not all 0")
    return weights


def _cross_entropy(weights: np.ndarray | None) -> Loss:
    """Cross-entropy of the softmax; weighted, it is the mean with each pixel's weight that of its true class."""

    def loss(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        counted = tf.not_equal(labels, IGNORE)
        truth = tf.where(counted, tf.cast(labels, tf.int32), 0)
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(truth, logits)
        share = tf.cast(counted, each.dtype)
        if weights is not None:
            share *= tf.gather(tf.constant(weights, each.dtype), truth)
        return tf.math.divide_no_nan(tf.reduce_sum(each * share), tf.reduce_sum(share))

    return loss


LOSSES: dict[str, Callable[[np.ndarray | None], Loss]] = {"cross_entropy": _cross_entropy}
"""From name to a function that takes the class weights and gives the loss."""
