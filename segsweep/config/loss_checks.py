"""Settings of losses that must fit each other."""

import math
from typing import Any

from segsweep.errors import ConfigError


def check_loss(leaves: dict[str, Any]) -> None:
    """Refuse settings of the section `loss` that cannot be meant.

    Args:
        leaves: values by override name.

    Raises:
        ConfigError: naming the setting.
    """
    terms = [value for name, value in leaves.items() if name.startswith("loss.terms.") and value is not None]
    if terms and not any(terms):
        raise ConfigError("loss.terms: every term weighs 0; give at least one a weight greater than 0")
    if leaves.get("loss.name") == "tversky" and leaves.get("loss.gamma") == 0:
        # With the focal loss, 0 is plain cross-entropy; here, each class's loss would be 1 whatever is predicted.
        raise ConfigError("loss.gamma=0 is out of range; with loss=tversky it must be greater than 0, and 1 is off")
    weights = leaves.get("loss.class_weights")
    is_list = isinstance(weights, list) and all(
        isinstance(weight, int | float) and math.isfinite(weight) and weight >= 0 for weight in weights
    )
    if weights not in (None, "balanced") and not is_list:
        raise ConfigError(
            f"loss.class_weights={weights} is not a choice; it must be null, balanced, or a list of a number a class"
        )
