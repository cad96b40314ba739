"""The losses by name."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from segsweep.config.loss_schema import CombinedLossConfig
from segsweep.config.schema import LossConfig
from segsweep.errors import ConfigError
from segsweep.training.losses.class_weighting import class_weights
from segsweep.training.losses.counted_pixels import Loss
from segsweep.training.losses.cross_entropies import cross_entropy, focal, partial_cross_entropy
from segsweep.training.losses.lovasz import lovasz
from segsweep.training.losses.regions import dice, jaccard, tversky


def build_loss(config: LossConfig, *, classes: int, class_frequencies: np.ndarray | None = None) -> Loss:
    """The loss that `config` names, over the pixels that are not `IGNORE`; 0 where there are none.

    `class_frequencies` (classes,) are the training pixels of each class; `class_weights=balanced` needs them.
    Raises ConfigError for an unknown name or for weights that do not fit the classes.
    """
    if config.name not in LOSSES:
        raise ConfigError(f"loss={config.name} is unknown; there are {', '.join(sorted(LOSSES))}")
    return LOSSES[config.name](config, class_weights(config.class_weights, classes, class_frequencies))


def _combined(config: CombinedLossConfig, weights: np.ndarray | None) -> Loss:
    """The weighted sum of the terms, each with its own settings and all with the same class weights."""
    terms = [
        (weight, LOSSES[name](getattr(config, name, config), weights))
        for name, weight in sorted(config.terms.weights().items())
    ]
    if not terms:
        raise ConfigError("loss.terms: every term weighs 0; give at least one a weight greater than 0")

    def loss(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        return tf.add_n([weight * term(logits, labels) for weight, term in terms])

    return loss


LOSSES: dict[str, Callable[[Any, np.ndarray | None], Loss]] = {
    "cross_entropy": cross_entropy,
    "focal": focal,
    "dice": dice,
    "jaccard": jaccard,
    "tversky": tversky,
    "lovasz": lovasz,
    "partial_cross_entropy": partial_cross_entropy,
    "combined": _combined,
}
"""From name to a function that takes the loss's settings and the class weights (K,) and gives the loss."""
