"""The run of a variant: found in the store, or made, checked and scored."""

import gzip
import json

from segsweep.config.job_config import parameters, to_yaml
from segsweep.data.dataset import Dataset, Split
from segsweep.devices.footprint import footprint
from segsweep.errors import StoreError
from segsweep.evaluation.evaluator import Evaluation, evaluate
from segsweep.evaluation.image_counts import read_counts
from segsweep.evaluation.stored_predictions import StoredPredictions
from segsweep.lineage.specs import VariantSpec
from segsweep.quantization.weight_structure import (
    as_json,
    most_distinct,
    sparsity,
)
from segsweep.runs.context import Context
from segsweep.runs.descriptions import variant_note
from segsweep.runs.gallery import sample_files
from segsweep.runs.mlflow_model import model_description, model_tags
from segsweep.runs.run_names import variant_name
from segsweep.runs.score_metrics import deltas, score_files, score_metrics, score_tags, validation_metrics
from segsweep.runs.training_run import ensure_training
from segsweep.runs.used_data import variant_data
from segsweep.runs.variant_file import VariantFile, variant_file
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord


def ensure_variant(spec: VariantSpec, context: Context) -> RunRecord:
    """The finished run of `spec`; makes it, and what it descends from, where the store does not have it intact."""
    return context.found_or_made(
        names.VARIANT,
        names.EVALUATION_KEY,
        spec.evaluation_key,
        lambda same_file: _make(spec, context),
        # Of the same file: one that was scored otherwise need not be exported again.
        among=(names.VARIANT_KEY, spec.key),
    )


def _make(spec: VariantSpec, context: Context) -> RunRecord:
    store = context.store
    training = ensure_training(spec.training, context)
    baseline = ensure_variant(spec.baseline, context) if spec.baseline is not None else None
    if spec.source is not None:
        ensure_variant(spec.source, context)
    name = variant_name(spec)
    tags = {
        **context.common_tags(spec.training),
        names.VARIANT_KEY: spec.key,
        names.EVALUATION_KEY: spec.evaluation_key,
        names.CLASSES: json.dumps(context.dataset.classes),
    }
    with store.run(names.VARIANT, name, parent=training.run_id, tags=tags, params=parameters(spec.config)) as run_id:
        context.claim(run_id, names.VARIANT, names.EVALUATION_KEY, spec.evaluation_key)
        store.log_data(
            run_id, variant_data(context.dataset, spec.config.data, calibrated=bool(spec.variant.calibrated))
        )
        context.progress.stage(f"exporting {spec.variant.name}")
        made = variant_file(spec, context)
        hashes = store.upload(
            run_id,
            {
                names.MODEL_FILE: made.content,
                names.CENSUS_FILE: json.dumps(made.census.as_dict(), indent=1).encode(),
                names.WEIGHT_STRUCTURE_FILE: json.dumps(as_json(made.weights), indent=1).encode(),
                names.CONFIG_FILE: to_yaml(spec.config).encode(),
                names.CALIBRATION_FILE: json.dumps({"training_images": made.calibration_images}).encode(),
                **({names.RANGE_TRIALS_FILE: made.range_trials} if made.range_trials is not None else {}),
                **({names.RECIPE_FILE: made.recipe.to_yaml().encode()} if made.recipe is not None else {}),
                **({names.RECIPE_TRIALS_FILE: made.recipe_trials} if made.recipe_trials is not None else {}),
                **made.correction_files,
            },
        )
        # Scored as a user would have it: read back from where it was put.
        path = store.path_in_new_run(run_id, names.MODEL_FILE)
        if path is None:
            raise StoreError(f"run {run_id}: its {names.MODEL_FILE} cannot be read back")
        model = TFLiteModel(path)
        evaluation = _scored(model, context.dataset.test, names.PREDICTIONS_FILE, spec, baseline, context)
        validation = _scored(
            model, context.dataset.validation, names.VALIDATION_PREDICTIONS_FILE, spec, baseline, context
        )
        files = score_files(evaluation, validation)
        compared = context.store.artifacts.read(baseline, names.SAMPLES_FILE) if baseline is not None else None
        described = model_description(run_id, made.content, model, context.dataset.test.image_shape)
        hashes |= store.upload(run_id, files | described | sample_files(context.dataset, evaluation, compared))
        metrics = _metrics(made, evaluation, context.dataset) | validation_metrics(validation)
        metrics |= _against_baseline(evaluation, baseline, context)
        asked = footprint(made.content)
        metrics |= asked.metrics()
        metrics[names.INVOKE_SECONDS] = model.invoke_seconds
        if names.TRAIN_SECONDS in training.metrics:
            metrics[names.TRAIN_SECONDS] = training.metrics[names.TRAIN_SECONDS]
        store.log(
            run_id,
            metrics=metrics,
            tags={
                **hashes,
                **score_tags(context.dataset, evaluation.counts, validation.counts),
                **asked.tags(),
                **model_tags(run_id, described),
                **variant_note(spec, context, run_id, training, baseline, metrics),
                names.BASELINE_RUN_ID: baseline.run_id if baseline is not None else run_id,
                names.CENSUS: json.dumps(made.census.as_dict()),
                **({names.RANGES: made.ranges} if made.ranges else {}),
                **({names.CORRECTION: made.correction} if made.correction else {}),
                names.RESOLVER: model.kernels,
                **({names.KEEPS_START: "true"} if made.keeps_start else {}),
            },
        )
    return store.get(run_id)


def _scored(
    model: TFLiteModel,
    split: Split,
    predictions: str,
    spec: VariantSpec,
    baseline: RunRecord | None,
    context: Context,
) -> Evaluation:
    """The file on one split, compared with the artifact `predictions` of the baseline; None for the baseline itself."""
    context.progress.stage(f"scoring {spec.variant.name}", len(split))
    compared = context.store.artifacts.required(baseline, predictions) if baseline is not None else None
    return evaluate(
        model,
        split,
        context.dataset.normalization,
        len(context.dataset.classes),
        batch_size=spec.config.evaluation.batch_size,
        baseline=StoredPredictions(compared) if compared is not None else None,
        on_image=context.progress.step,
    )


def _metrics(made: VariantFile, evaluation: Evaluation, dataset: Dataset) -> dict[str, float]:
    return {
        **score_metrics(evaluation, dataset.classes),
        names.SIZE_BYTES: len(made.content),
        names.GZIP_BYTES: len(gzip.compress(made.content, mtime=0)),
        names.SPARSITY: sparsity(made.weights),
        names.DISTINCT_WEIGHTS: most_distinct(made.weights),
        names.EXPORT_SECONDS: made.seconds,
        names.EVALUATE_SECONDS: evaluation.seconds,
    }


def _against_baseline(evaluation: Evaluation, baseline: RunRecord | None, context: Context) -> dict[str, float]:
    if baseline is None:
        return {names.DELTA_ACCURACY: 0.0, names.DELTA_MEAN_IOU: 0.0, names.AGREEMENT: 1.0}
    return deltas(evaluation, baseline, read_counts(context.store.artifacts.required(baseline, names.CONFUSION_FILE)))
