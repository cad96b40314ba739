"""The files of a job, and their keys: all that determines a file, or its scores, and nothing else."""

from dataclasses import replace
from typing import Any

import numpy as np

from segsweep.config.keys import content_key, versions
from segsweep.config.schema import JobConfig
from segsweep.config.training_schema import AUTO
from segsweep.data.dataset import Dataset
from segsweep.data.independent_groups import independent_groups
from segsweep.lineage.specs import TrainingSpec, VariantSpec
from segsweep.lineage.trainings import recipe_of
from segsweep.quantization.corrections.settings import VERSION as CORRECTION_VERSION
from segsweep.quantization.corrections.settings import used_correction
from segsweep.quantization.recipe import Recipe
from segsweep.quantization.used_ranges import AUTO_VERSION, FOUR_BITS_VERSION, used_range
from segsweep.quantization.variants import BY_RECIPE as RECIPE_VARIANTS
from segsweep.quantization.variants import Variant, variant_named

VARIANT_FORMAT = 1
"""Raised when a variant is made or described otherwise."""


EVALUATION_FORMAT = 3
"""Raised when scores are computed otherwise."""


def variant_spec(
    name: str,
    training: TrainingSpec,
    config: JobConfig,
    dataset: Dataset,
    size: tuple[int, int],
    source: VariantSpec | None,
    baseline: VariantSpec | None,
    start: VariantSpec | None = None,
) -> VariantSpec:
    """A file of a training.

    `source` is the float file that it is made from, `baseline` what it is compared with, `start` the post-training file
    that its fine-tune began at.
    """
    variant, recipe = variant_named(name), None
    if name in RECIPE_VARIANTS:
        recipe = recipe_of(config)
        variant = replace(variant, calibrated=recipe.calibrated)
    content: dict[str, Any] = {
        "format": VARIANT_FORMAT,
        "training": training.key,
        "size": size,
        "name": name,
        # They travel inside the file.
        "description": [dataset.classes, dataset.palette, dataset.bands, dataset.rgb],
        "versions": versions("tensorflow"),
    }
    if source is not None or recipe is not None or variant.selects_recipe:
        content["versions"] |= versions("litert-quantizer")
    if dataset.nodata is not None:
        # It travels inside the file too, and does so where no image of the training has it.
        content["nodata"] = dataset.nodata
    if recipe is not None:
        content["recipe"] = recipe.as_dict()
    if variant.selects_recipe and start is None:
        content["recipe_rule"] = {"version": FOUR_BITS_VERSION, **_validation(dataset)}
    if start is not None:
        content["start"] = start.key
        # Which of the two is better on it decides.
        content["validation"] = dataset.validation.fingerprint
    if variant.calibrated:
        calibration = config.quantization.calibration
        content["calibration"] = {"samples": calibration.samples}
        if calibration.samples != len(dataset.train):
            # Where all are taken, it does not matter how.
            content["calibration"]["seed"] = calibration.seed
            if calibration.choice != "random":
                content["calibration"]["choice"] = calibration.choice
        content["calibration"] |= _ranges(config, variant, recipe, dataset)
        content |= _correction(config, variant, recipe, dataset)
        content["versions"] |= versions("ai-edge-litert")
    key = content_key(content)
    bear_on_ranges = ["size", "recipe", "recipe_rule", "calibration"]
    if variant.selects_recipe:  # for corrected weights
        bear_on_ranges.append("correction")
    ranges_key = content_key({name: content.get(name) for name in bear_on_ranges})
    evaluation_key = content_key(
        {
            "format": EVALUATION_FORMAT,
            "variant": key,
            "test": [dataset.test.fingerprint],
            "versions": versions("ai-edge-litert"),
            **_groups(dataset),
        }
    )
    config = replace(config, quantization=replace(config.quantization, name=name))
    return VariantSpec(
        variant,
        training,
        config,
        size,
        key,
        evaluation_key,
        source=source,
        baseline=baseline,
        recipe=recipe,
        ranges_key=ranges_key,
        start=start,
    )


def _ranges(config: JobConfig, variant: Variant, recipe: Recipe | None, dataset: Dataset) -> dict[str, Any]:
    """What determines the ranges of activations beside the images."""
    settings = config.quantization.calibration
    how = used_range(settings.range, variant, recipe)
    content: dict[str, Any] = {} if how == "min_max" else {"range": how}
    if how in (AUTO, "percentile"):
        content["percentile"] = settings.percentile
    if how == AUTO:
        content |= {"version": AUTO_VERSION, **_validation(dataset)}
    return content


def _validation(dataset: Dataset) -> dict[str, Any]:
    """The validation split, by which something is selected, and which of its images are not independent."""
    groups = _groups(dataset).get("groups", {})
    found = {"validation": dataset.validation.fingerprint}
    return {**found, "groups": groups["validation"]} if "validation" in groups else found


def _correction(config: JobConfig, variant: Variant, recipe: Recipe | None, dataset: Dataset) -> dict[str, Any]:
    """What determines the corrections of the weights beside the images; nothing where there are none."""
    names = used_correction(config.quantization, variant, recipe)
    if names == ():
        return {}
    content: dict[str, Any] = {"version": CORRECTION_VERSION, "names": names or "auto", "libraries": versions("numpy")}
    if names is None:
        content |= _validation(dataset)
    return {"correction": content}


def _groups(dataset: Dataset) -> dict[str, Any]:
    """Which images of the test and the validation split are not independent, where some are not."""
    found = {"test": independent_groups(dataset.test), "validation": independent_groups(dataset.validation)}
    grouped = {name: groups.tolist() for name, groups in found.items() if len(np.unique(groups)) < len(groups)}
    return {"groups": grouped} if grouped else {}
