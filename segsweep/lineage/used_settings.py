"""Which settings bear on a variant."""

from typing import Any

from segsweep.config.job_config import parameters
from segsweep.config.loss_schema import unused_terms
from segsweep.config.model_schema import unused_model_settings
from segsweep.config.training_schema import AUTO
from segsweep.config.used_training_settings import SWITCHES, unused_training_settings
from segsweep.lineage.specs import VariantSpec
from segsweep.quantization.corrections.settings import is_correctable
from segsweep.quantization.training_kinds import CONTROL, SECTION_OF, chain
from segsweep.quantization.used_ranges import used_range


def used_settings(spec: VariantSpec) -> dict[str, Any]:
    """The settings that bear on a variant, by override name; the others may vary without any effect on it."""
    leaves = parameters(spec.config)
    unused = {"quantization.control", "evaluation.batch_size", "data.cache_mib"}
    unused |= {f"model.{name}" for name in unused_model_settings(spec.config.model)}
    for setting in unused_training_settings(spec.config.training):
        path = f"training.{setting}"
        unused |= {name for name in leaves if name == path or name.startswith(f"{path}.")} - SWITCHES
    # What the post-training file is that a fine-tune begins at bears on its own file as well.
    after = spec if spec.start is None else spec.start
    if not after.variant.calibrated:
        unused |= {name for name in leaves if name.startswith("quantization.calibration.")}
    elif used_range(spec.config.quantization.calibration.range, after.variant, after.recipe) not in (
        AUTO,
        "percentile",
    ):
        unused |= {"quantization.calibration.percentile"}
    if spec.recipe is None:
        unused |= {"quantization.recipe"}
    if not is_correctable(after.variant, after.recipe):
        unused |= {"quantization.correction"}
    kinds = {kind.keeps for kind in chain(spec.training.kind)}
    for keeps, section in SECTION_OF.items():
        if keeps not in kinds:
            unused |= {name for name in leaves if name.startswith(f"quantization.{section}.")}
    if spec.training.kind != CONTROL and not any(kind.rounds for kind in chain(spec.training.kind)):
        unused |= {"quantization.distillation"}
    if spec.training.kind == "float":
        unused |= {"quantization.epochs", "quantization.learning_rate"}
    other = (
        "tracking.",
        "sweep.",
        "ensemble.",
        "evaluation.latency.",
        *(f"loss.{term}." for term in unused_terms(spec.config.loss)),
    )
    return {name: value for name, value in leaves.items() if name not in unused and not name.startswith(other)}
