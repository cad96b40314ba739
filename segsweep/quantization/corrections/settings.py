"""What `quantization.correction` comes to for a variant."""

from segsweep.config.quantization_checks import CORRECTIONS
from segsweep.config.schema import QuantizationConfig
from segsweep.config.training_schema import AUTO
from segsweep.quantization.recipe import Recipe
from segsweep.quantization.training_kinds import TRAINING_KINDS
from segsweep.quantization.variants import Variant

NONE = "none"
NAMES = CORRECTIONS
EQUALIZE, ROUND, BIAS = NAMES
VERSION = 2
"""Of the corrections and of `auto`, in the keys of files: raised when they make other files."""


def used_correction(settings: QuantizationConfig, variant: Variant, recipe: Recipe | None) -> tuple[str, ...] | None:
    """The corrections that are applied, in their order; None: `auto` selects them.

    Files with 8-bit activations of weights that were not trained to be rounded can be corrected. Of a recipe, `auto`
    changes nothing: a job makes of it what `segsweep search` scored. Of clustered weights the bias alone is corrected,
    since scaling and rounding would make more clusters.
    """
    if not is_correctable(variant, recipe):
        return ()
    if settings.correction == AUTO:
        return () if recipe is not None else None
    if settings.correction == NONE:
        return ()
    return tuple(name for name in possible_corrections(variant, recipe) if name in settings.correction)


def is_correctable(variant: Variant, recipe: Recipe | None) -> bool:
    """Whether any correction is possible."""
    is_wide = variant.activations == "int16" or (recipe is not None and _is_wide(recipe))
    return variant.calibrated and TRAINING_KINDS[variant.training_kind].rounds is None and not is_wide


def possible_corrections(variant: Variant, recipe: Recipe | None = None) -> tuple[str, ...]:
    """Those that leave the structure of its weights, in the order in which they are applied."""
    if TRAINING_KINDS[variant.training_kind].keeps == "clusters":
        return (BIAS,)
    if recipe is not None and any(each.algorithm == "hadamard" for each in (recipe.default, *recipe.layers.values())):
        return (EQUALIZE,)  # other operators stand in the place of the layers
    return NAMES


def _is_wide(recipe: Recipe) -> bool:
    return any(each.what.activation_bits == 16 for each in (recipe.default, *recipe.layers.values()))
