"""The file of a variant: read from an earlier run of the same variant, or made."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from segsweep import __version__
from segsweep.data.dataset import Dataset
from segsweep.evaluation.evaluator import evaluate
from segsweep.lineage.specs import VariantSpec
from segsweep.quantization.automatic_ranges import calibrate_by, select_ranges, select_recipe_ranges, used_range
from segsweep.quantization.mixed import quantize_mixed
from segsweep.quantization.post_training import RECIPES, Calibration, Quantization, quantize
from segsweep.quantization.range_rules import AUTO, RangeChoice
from segsweep.quantization.selection_images import selection_images
from segsweep.quantization.variants import check
from segsweep.quantization.weight_structure import LayerWeights, check_structure, weight_structure
from segsweep.runs.calibration_images import calibration_images, calibration_indices
from segsweep.runs.context import Context
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
    ranges: str = ""
    """Rules of the ranges of activations, as `RangeChoice` writes them; empty where there are none."""
    range_trials: bytes | None = None
    """What was tried to find them, as CSV; None where they were named."""
    keeps_start: bool = False
    """Whether it is the file that its fine-tune began at, since the fine-tune made it no better."""

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
                return VariantFile(
                    content,
                    census(content),
                    record.metrics.get(names.EXPORT_SECONDS, 0.0),
                    calibration_indices(spec, context.dataset),
                    record.tags.get(names.RANGES, ""),
                    context.store.artifacts.read(record, names.RANGE_TRIALS_FILE),
                    record.tags.get(names.KEEPS_START) == "true",
                )
    return None


def _new_file(spec: VariantSpec, context: Context) -> VariantFile:
    started = time.perf_counter()
    indices = calibration_indices(spec, context.dataset)
    ranges: _Ranges | None = None
    if spec.source is not None or spec.recipe is not None:
        float_file = _float_file(spec, context)
        if spec.variant.calibrated:
            ranges = _ranges(spec, float_file, calibration_images(indices, context.dataset, spec.size), context.dataset)
        calibration = ranges.calibration if ranges is not None else None
        if spec.recipe is not None:
            content = quantize_mixed(float_file, spec.recipe, calibration)
        else:
            content = quantize(float_file, spec.variant, calibration)
    else:
        content = _converted(spec, context)
    start = variant_file(spec.start, context) if spec.start is not None else None
    keeps_start = start is not None and _validation_score(content, context) < _validation_score(start.content, context)
    if start is not None and keeps_start:
        content = start.content
    counted = census(content)
    if spec.recipe is None:  # otherwise it was held to that
        check(spec.variant, counted)
        check_structure(spec.variant, weight_structure(content), spec.config.quantization)
    content = embed(content, _metadata(spec, context.dataset))
    seconds = time.perf_counter() - started
    rules, trials = (str(ranges.choice), ranges.trials) if ranges is not None else ("", None)
    return VariantFile(content, counted, seconds, indices, rules, trials, keeps_start)


@dataclass(frozen=True)
class _Ranges:
    """The calibration of a file and where it comes from."""

    calibration: Calibration
    choice: RangeChoice
    trials: bytes | None = None
    """Of `auto`, as CSV."""


def _ranges(spec: VariantSpec, float_file: bytes, images: np.ndarray, dataset: Dataset) -> _Ranges:
    """By the rules that the settings name, or that `auto` selects."""
    settings = spec.config.quantization.calibration
    how = used_range(settings.range, spec.variant, spec.recipe)
    if how != AUTO:
        choice = RangeChoice.of(how)
        return _Ranges(calibrate_by(float_file, images, choice, settings.percentile), choice)
    judged = selection_images(float_file, dataset, dataset.normalization, images)
    if spec.recipe is not None:
        found = select_recipe_ranges(float_file, images, settings.percentile, judged)
    else:
        quantization = Quantization(float_file, RECIPES[spec.variant.name])
        found = select_ranges(float_file, images, settings.percentile, quantization.file, judged)
    return _Ranges(found.calibration, found.choice, found.table())


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
