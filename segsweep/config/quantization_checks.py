"""Settings of `quantization` that are words or lists of them."""

from typing import Any

from segsweep.errors import ConfigError

CORRECTIONS = ("equalize", "round", "bias")
"""In the order in which they are applied: channels are scaled first, since that changes what rounding does; the bias
makes up for what rounding left."""


def check_quantization(leaves: dict[str, Any]) -> None:
    """Refuse invalid values of `quantization.correction`.

    Args:
        leaves: values by override name.

    Raises:
        ConfigError: naming the setting.
    """
    value = leaves.get("quantization.correction", "auto")
    if isinstance(value, str) and value in ("auto", "none"):
        return
    if isinstance(value, list) and value:
        is_known = all(isinstance(name, str) and name in CORRECTIONS for name in value)
        if is_known and len(set(value)) == len(value):
            return
    raise ConfigError(
        f"quantization.correction={value} is not a choice; it must be auto, none, or a list of different ones of "
        f"{', '.join(CORRECTIONS)}"
    )
