"""Which rule of activation ranges a setting comes to; imports no quantizer, since plans ask it too."""

from segsweep.config.training_schema import AUTO
from segsweep.quantization.recipe import Recipe
from segsweep.quantization.variants import Variant

AUTO_VERSION = 1
"""Of `auto`, in the keys of files: raised when it tries other rules or selects otherwise."""

FOUR_BITS_VERSION = 1
"""Of the rule for recipes of 4-bit weights, in the keys of files: raised when it finds other recipes."""


def used_range(setting: str, variant: Variant, recipe: Recipe | None) -> str:
    """What `quantization.calibration.range` comes to for a calibrated variant: one of `RULES`, or `auto`."""
    if recipe is not None:
        chosen = (recipe.default, *recipe.layers.values())
        is_wide = {each.what.activation_bits for each in chosen if each.what.calibrated} == {16}
    else:
        is_wide = variant.activations == "int16"
    return "min_max" if setting == AUTO and is_wide else setting
