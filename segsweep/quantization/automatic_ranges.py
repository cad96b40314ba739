"""Calibration by named rules, and by those that `quantization.calibration.range=auto` finds best on validation images.

Activations of 16 bits have steps enough to clip nothing, and their kernels are slow on a host: `auto` is `min_max` for
them, without any trial.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from segsweep.errors import ModelError
from segsweep.quantization.choices import CHOICES
from segsweep.quantization.layers import layers
from segsweep.quantization.mixed import recipe_rules
from segsweep.quantization.observed_activations import ObservedActivations
from segsweep.quantization.post_training import Calibration, Quantization, calibrate, calibration_of
from segsweep.quantization.quantizer_rules import is_possible
from segsweep.quantization.range_rules import MIN_MAX, RULES, Limits, RangeChoice, ranges_by
from segsweep.quantization.range_selection import Candidate, Selection, SelectionImages, select, trials_csv
from segsweep.quantization.recipe import LayerChoice, Recipe
from segsweep.tflite.flatbuffer import verify

CANDIDATES = (
    *(RangeChoice.of(rule) for rule in RULES),
    RangeChoice(input="average", activations="min_max"),
    RangeChoice(input="percentile", activations="average"),
)
"""What `auto` tries; on ties the first one is taken.

By validation on three networks of the quickstart (width 16), the last one agreed most with float32. An entropy rule
(Kullback-Leibler) lost 0.72 points of mean IoU there and was left out.
"""
_HEADERS = ("input", "activations")


@dataclass(frozen=True)
class SelectedRanges:
    """What `auto` found."""

    calibration: Calibration
    """By the choice that is taken; activations of 16 bits are not clipped."""
    choice: RangeChoice
    selection: Selection = field(repr=False)
    metric: str
    """What the files were judged by."""

    def table(self) -> bytes:
        """All trials as CSV."""
        return trials_csv(self.selection, _HEADERS, self.metric)


def calibrate_by(float_model: bytes, images: np.ndarray, choice: RangeChoice, percentile: float) -> Calibration:
    """The calibration by named rules.

    Args:
        float_model: the float32 file.
        images: (N, H, W, C) float32, normalized; one at least.
        choice: the rules.
        percentile: `quantization.calibration.percentile`.

    Raises:
        ModelError: an activation is not finite.
    """
    if choice == MIN_MAX:
        return calibrate(float_model, images)
    return calibration_by(choice, _observed(float_model, images), np.arange(len(images)), percentile)


def calibration_by(
    choice: RangeChoice, observed: ObservedActivations, rows: np.ndarray, percentile: float
) -> Calibration:
    """The same of images that were observed; `rows` says which of them."""
    tensors = observed.tensors(rows)
    _refuse_wild({name: tensor.limits for name, tensor in tensors.items()})
    return calibration_of(ranges_by(choice, tensors, observed.input_name, percentile), len(rows))


def select_ranges(
    float_model: bytes,
    images: np.ndarray,
    percentile: float,
    quantized: Callable[[Mapping[str, Limits]], bytes],
    judged: SelectionImages,
) -> SelectedRanges:
    """The calibration by the best of `CANDIDATES`.

    Args:
        float_model: the float32 file.
        images: (N, H, W, C) float32, normalized: the calibration images.
        percentile: `quantization.calibration.percentile`.
        quantized: makes the 8-bit file of ranges.
        judged: what the files are scored on.

    Raises:
        ModelError, VariantError: an activation is not finite, or no file could be made and run.
    """
    observed = _observed(float_model, images)
    tensors = observed.tensors(np.arange(len(images)))
    _refuse_wild({name: tensor.limits for name, tensor in tensors.items()})
    by_rule = {
        rule: calibration_of(ranges_by(RangeChoice.of(rule), tensors, observed.input_name, percentile), 1).ranges
        for rule in RULES
    }
    whole = by_rule["min_max"]

    def ranges(choice: RangeChoice) -> dict[str, Limits]:
        return {
            name: by_rule[choice.input if name == observed.input_name else choice.activations][name] for name in whole
        }

    candidates = [
        Candidate((choice.input, choice.activations), lambda choice=choice: quantized(ranges(choice)))  # type: ignore[misc]
        for choice in CANDIDATES
    ]
    selection = select(candidates, judged)
    choice = CANDIDATES[selection.place]
    calibration = calibration_of(ranges(choice), len(images), whole)
    return SelectedRanges(calibration, choice, selection, judged.metric)


def select_recipe_ranges(
    float_model: bytes, images: np.ndarray, percentile: float, judged: SelectionImages
) -> SelectedRanges:
    """The same for all files that recipes make of a float file, by the file with all layers in int8.

    So the choice does not depend on the recipe: what `segsweep search` scored is what a job makes of its recipe. A
    layer that the library cannot quantize so stays in float.
    """
    found = layers(float_model)
    everything = Recipe(
        {each.name: LayerChoice("int8") for each in found if is_possible(each.weighted.kind, CHOICES["int8"])}
    )
    rules = list(recipe_rules(everything, found))
    quantization = Quantization(float_model, rules)
    return select_ranges(float_model, images, percentile, quantization.file, judged)


def _observed(float_model: bytes, images: np.ndarray) -> ObservedActivations:
    verify(float_model)
    observed = ObservedActivations(float_model, len(images))
    observed.add(range(len(images)), images)
    return observed


def _refuse_wild(limits: Mapping[str, Limits]) -> None:
    """Raises ModelError for values that are not finite, before they spoil a rule."""
    wild = [name for name, ends in limits.items() if not np.isfinite(ends).all()]
    if wild:
        raise ModelError(f"the model cannot be calibrated: {wild[0]} takes values that are not finite")
