"""How much each class weighs in a loss."""

from collections.abc import Sequence

import numpy as np

from segsweep.errors import ConfigError


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
