"""The file of a variant: read from an earlier run of the same variant, or made."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from segsweep import __version__
from segsweep.config.training_schema import AUTO
from segsweep.data.dataset import Dataset
from segsweep.evaluation.evaluator import evaluate
from segsweep.lineage.specs import VariantSpec
from segsweep.quantization.automatic_ranges import calibrate_by, select_ranges, select_recipe_ranges
from segsweep.quantization.four_bits import four_bits
from segsweep.quantization.mixed import quantize_mixed
from segsweep.quantization.post_training import RECIPES, Calibration, Quantization, quantize
from segsweep.quantization.range_rules import RangeChoice
from segsweep.quantization.range_selection import SelectionImages
from segsweep.quantization.recipe import Recipe, parse_recipe
from segsweep.quantization.selection_images import selection_images
from segsweep.quantization.used_ranges import used_range
from segsweep.quantization.variants import check
from segsweep.quantization.weight_structure import LayerWeights, check_structure, weight_structure
from segsweep.runs.calibration_images import calibration_images, calibration_indices
from segsweep.runs.context import Context
from segsweep.runs.corrected_weights import CorrectedWeights, corrected_weights
from segsweep.runs.trained_models import load_model, load_twins
from segsweep.tflite.census import Census, census
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.tflite.metadata import Metadata, embed
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord


@dataclass(frozen=True)
class VariantFile:
    """What is uploaded as the model."""

    content: bytes
    census: Census
    seconds: float
    """Wall time of conversion or quantization."""
    calibration_images: tuple[int, ...]
    """Indices in the training split; empty where none were needed."""
    keeps_start: bool = False
    """Whether it is the file that its fine-tune began at, since the fine-tune made it no better."""
    recipe: Recipe | None = None
    """What each layer is, where one says so."""
    recipe_trials: bytes | None = None
    """What was tried to find the recipe, as CSV; None where it was given, or is that of another file."""
    ranges: str = ""
    """Rules of the ranges of activations, as `RangeChoice` writes them; empty where there are none."""
    range_trials: bytes | None = None
    """What was tried to find them, as CSV; None where they were named."""
    correction: str = ""
    """What was done to the weights before they became integers, as the tag says it; empty where nothing could be."""
    correction_files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Artifacts that say more about it."""

    @cached_property
    def weights(self) -> tuple[LayerWeights, ...]:
        """What its layers have."""
        return weight_structure(self.content)


def variant_file(spec: VariantSpec, context: Context) -> VariantFile:
    """The file of `spec`: of an earlier run of the same variant, or a new one, for which no run is made.

    The training has been found or made in this job.
    """
    if spec.key not in context.files:
        same_file = context.store.with_key(names.VARIANT, names.VARIANT_KEY, spec.key)
        context.files[spec.key] = _known_file(spec, context, same_file) or _new_file(spec, context)
    return context.files[spec.key]


def _known_file(spec: VariantSpec, context: Context, same_file: Sequence[RunRecord]) -> VariantFile | None:
    """The file of an earlier run of the same variant, scored otherwise."""
    for record in same_file:
        if record.is_finished and names.MODEL_FILE in record.sha256:
            content = context.store.artifacts.read(record, names.MODEL_FILE)
            if content is not None:
                text = trials = None
                if spec.variant.selects_recipe:
                    text = context.store.artifacts.required(record, names.RECIPE_FILE).decode()
                    trials = context.store.artifacts.read(record, names.RECIPE_TRIALS_FILE)
                return VariantFile(
                    content=content,
                    census=census(content),
                    seconds=record.metrics.get(names.EXPORT_SECONDS, 0.0),
                    calibration_images=calibration_indices(spec, context.dataset),
                    keeps_start=record.tags.get(names.KEEPS_START) == "true",
                    recipe=spec.recipe if text is None else parse_recipe(text, f"run {record.run_id}"),
                    recipe_trials=trials,
                    ranges=record.tags.get(names.RANGES, ""),
                    range_trials=context.store.artifacts.read(record, names.RANGE_TRIALS_FILE),
                    correction=record.tags.get(names.CORRECTION, ""),
                    correction_files=_correction_files(record, context),
                )
    return None


def _correction_files(record: RunRecord, context: Context) -> dict[str, bytes]:
    read = {
        name: context.store.artifacts.read(record, name)
        for name in (names.CORRECTION_FILE, names.CORRECTION_TRIALS_FILE)
    }
    return {name: content for name, content in read.items() if content is not None}


def _new_file(spec: VariantSpec, context: Context) -> VariantFile:
    start = variant_file(spec.start, context) if spec.start is not None else None
    started = time.perf_counter()
    indices = calibration_indices(spec, context.dataset)
    recipe, recipe_trials = spec.recipe, None
    if recipe is not None and start is not None:
        # Training rounds with the scales of the largest weights.
        recipe = recipe.plain
    ranges: _Ranges | None = None
    correction: CorrectedWeights | None = None
    if spec.source is not None or recipe is not None or spec.variant.selects_recipe:
        float_file = _float_file(spec, context)
        if spec.variant.calibrated:
            images = calibration_images(indices, context.dataset, spec.size)
            judged = _Judged(float_file, images, context.dataset)
            ranges = _ranges(spec, start, judged)
            if spec.variant.selects_recipe:
                recipe, recipe_trials = _recipe(start, ranges.calibration, judged)
            correction = corrected_weights(
                spec,
                recipe,
                float_file,
                ranges.calibration,
                ranges.choice,
                images,
                len(context.dataset.train),
                lambda: judged.selection,
            )
            content = correction.content
        elif recipe is not None:
            content = quantize_mixed(float_file, recipe)
        else:
            content = quantize(float_file, spec.variant)
    else:
        content = _converted(spec, context)
    counted = census(content)
    if spec.recipe is None:  # otherwise it was held to that
        check(spec.variant, counted)
        check_structure(spec.variant, weight_structure(content), spec.config.quantization)
    metadata, seconds = _metadata(spec, context.dataset), time.perf_counter() - started
    if start is not None and _validation_score(content, context) <= _validation_score(start.content, context):
        return replace(start, content=embed(start.content, metadata), seconds=seconds, keeps_start=True)
    return VariantFile(
        content=embed(content, metadata),
        census=counted,
        seconds=seconds,
        calibration_images=indices,
        recipe=recipe,
        recipe_trials=recipe_trials,
        ranges=str(ranges.choice) if ranges is not None else "",
        range_trials=ranges.trials if ranges is not None else None,
        correction=correction.words if correction is not None else "",
        correction_files=correction.artifacts if correction is not None else {},
    )


@dataclass(frozen=True)
class _Judged:
    """A float file, and the images that what is made of it is fitted to and selected by."""

    float_file: bytes
    calibration: np.ndarray
    """(N, H, W, C) float32, normalized and padded."""
    dataset: Dataset

    @cached_property
    def selection(self) -> SelectionImages:
        """Of the validation split."""
        return selection_images(self.float_file, self.dataset, self.dataset.normalization, self.calibration)


@dataclass(frozen=True)
class _Ranges:
    """The calibration of a file and where it comes from."""

    calibration: Calibration
    choice: RangeChoice
    trials: bytes | None = None
    """Of `auto`, as CSV."""


def _ranges(spec: VariantSpec, start: VariantFile | None, judged: _Judged) -> _Ranges:
    """By the rules of the file that a fine-tune began at, by those that the settings name, or that `auto` selects."""
    settings = spec.config.quantization.calibration
    float_file, images = judged.float_file, judged.calibration
    how = used_range(settings.range, spec.variant, spec.recipe)
    if how != AUTO or start is not None:
        choice = RangeChoice.of(how) if start is None else RangeChoice.parse(start.ranges)
        return _Ranges(calibrate_by(float_file, images, choice, settings.percentile), choice)
    if spec.recipe is not None or spec.variant.selects_recipe:
        found = select_recipe_ranges(float_file, images, settings.percentile, judged.selection)
    else:
        quantization = Quantization(float_file, RECIPES[spec.variant.name])
        found = select_ranges(float_file, images, settings.percentile, quantization.file, judged.selection)
    return _Ranges(found.calibration, found.choice, found.table())


def _recipe(start: VariantFile | None, calibration: Calibration, judged: _Judged) -> tuple[Recipe, bytes | None]:
    """The recipe of a file of 4-bit weights, and how it was found; that of the file that a fine-tune began at."""
    if start is not None:
        assert start.recipe is not None
        # Training rounds with the scales of the largest weights.
        return start.recipe.plain, None
    found = four_bits(judged.float_file, calibration, judged.calibration, judged.selection)
    return found.recipe, found.table()


def _float_file(spec: VariantSpec, context: Context) -> bytes:
    """What a file is quantized from: that of its source, or one of weights that were trained for a recipe."""
    if spec.source is not None:
        return variant_file(spec.source, context).content
    from segsweep.quantization.float_twin import float_twin
    from segsweep.tflite.conversion import convert_float

    return convert_float(float_twin(*load_twins(spec.training, context, spec.size)))


def _converted(spec: VariantSpec, context: Context) -> bytes:
    """What the converter makes of the weights of a training."""
    from segsweep.quantization.quantization_aware import exportable
    from segsweep.tflite.conversion import convert_float, convert_quantized

    if spec.variant.integer:
        return convert_quantized(exportable(*load_twins(spec.training, context, spec.size)))
    return convert_float(load_model(spec.training, context, spec.size))


def _validation_score(content: bytes, context: Context) -> float:
    """Mean IoU of a file on the validation split; accuracy where whole images have a class."""
    dataset = context.dataset
    found = evaluate(TFLiteModel(content), dataset.validation, dataset.normalization, len(dataset.classes)).scores
    return found.mean_iou if dataset.task.by_pixel else found.accuracy


def _metadata(spec: VariantSpec, dataset: Dataset) -> Metadata:
    return Metadata(
        classes=dataset.classes,
        palette=dataset.palette,
        bands=dataset.bands,
        rgb=dataset.rgb,
        mean=tuple(float(value) for value in dataset.normalization.mean),
        std=tuple(float(value) for value in dataset.normalization.std),
        quantization=spec.variant.name,
        training_key=spec.training.key,
        variant_key=spec.key,
        data=dataset.name,
        histogram=dataset.histogram.how if dataset.histogram is not None else "none",
        histogram_table=dataset.histogram.rows if dataset.histogram is not None else (),
        dtype=_stored_type(dataset),
        nodata=dataset.nodata,
        alpha_is_band=dataset.alpha_is_band,
        segsweep_version=__version__,
    )


def _stored_type(dataset: Dataset) -> str:
    """Data type of the images as stored; empty where their histograms were changed, which makes others of them."""
    if dataset.histogram is not None:
        return ""
    return dataset.stored_dtype
