"""The integer file of a variant with its weights corrected, as `quantization.correction` says."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from segsweep.lineage.specs import VariantSpec
from segsweep.quantization.automatic_ranges import calibrate_by
from segsweep.quantization.corrections.correcting import Correction, corrected, plain, select_correction
from segsweep.quantization.corrections.settings import NONE, is_correctable, possible_corrections, used_correction
from segsweep.quantization.mixed import quantize_mixed
from segsweep.quantization.post_training import Calibration, quantize
from segsweep.quantization.range_rules import RangeChoice
from segsweep.quantization.range_selection import SelectionImages
from segsweep.quantization.recipe import Recipe
from segsweep.tracking import names


@dataclass(frozen=True)
class CorrectedWeights:
    """A file, and what was done to its weights."""

    content: bytes = field(repr=False)
    words: str
    """The corrections, as `equalize bias`, or `none`; empty where nothing can be corrected."""
    artifacts: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """What more is to be said of them, by the artifact's name."""


def corrected_weights(
    spec: VariantSpec,
    recipe: Recipe | None,
    float_model: bytes,
    calibration: Calibration,
    choice: RangeChoice,
    images: np.ndarray,
    training_images: int,
    judged: Callable[[], SelectionImages],
) -> CorrectedWeights:
    """The file of a calibrated variant.

    Args:
        spec: of the variant.
        recipe: what each layer is; None: as the variant says.
        float_model: the float32 file.
        calibration: of that file.
        choice: the rules it was made by.
        images: (N, H, W, C) float32, normalized: the calibration images.
        training_images: how many there are.
        judged: gives what `auto` selects by.
    """
    settings = spec.config.quantization
    # As in the key, the seed has no effect where all training images calibrate.
    seed = settings.calibration.seed if calibration.samples < training_images else 0

    def made(model: bytes, ranges: Calibration) -> bytes:
        return quantize(model, spec.variant, ranges) if recipe is None else quantize_mixed(model, recipe, ranges)

    def made_plain(model: bytes, ranges: Calibration) -> bytes:
        return made(model, ranges) if recipe is None else quantize_mixed(model, recipe.plain, ranges)

    correction = Correction(
        float_model,
        calibration,
        images,
        lambda model: calibrate_by(model, images, choice, settings.calibration.percentile),
        made,
        made_plain,
        seed,
    )
    wanted = used_correction(settings, spec.variant, spec.recipe)
    if wanted is not None:
        file = corrected(correction, wanted) if wanted else plain(correction)
        if not is_correctable(spec.variant, spec.recipe):
            return CorrectedWeights(file.content, "")
        trials = {}
    else:
        found = select_correction(correction, judged(), possible_corrections(spec.variant))
        file, trials = found.file, {names.CORRECTION_TRIALS_FILE: found.table()}
    # A list may name what these weights do not stand.
    refused = set(settings.correction) - set(wanted or ()) if isinstance(settings.correction, list) else set()
    reasons = [
        *file.reasons,
        *(f"{name} does not keep what the weights were trained to be" for name in sorted(refused)),
    ]
    said = {"corrections": file.names, "not_applied": reasons, "setting": settings.correction}
    content = json.dumps(said, indent=1).encode()
    return CorrectedWeights(file.content, " ".join(file.names) or NONE, {names.CORRECTION_FILE: content, **trials})
