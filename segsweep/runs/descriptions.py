"""What stands on the page of a run in the MLflow UI: what it is, and where it comes from."""

from segsweep.data.dataset import sources_of
from segsweep.evaluation.bootstrap import is_noise
from segsweep.lineage.specs import TrainingSpec, VariantSpec
from segsweep.quantization.training_kinds import TRAINING_KINDS
from segsweep.runs.context import Context
from segsweep.runs.run_names import training_name
from segsweep.tracking import names
from segsweep.tracking.notes import link, note_tags
from segsweep.tracking.records import RunRecord


def training_note(spec: TrainingSpec, context: Context, origin_run: str) -> dict[str, str]:
    """The tags with the description of a training; `origin_run` is that of what it starts from."""
    experiment = context.store.experiment_id
    origin = TRAINING_KINDS[spec.kind].origin
    if spec.parent is not None:
        origin += f" from {link(experiment, origin_run, training_name(spec.parent))}"
    text = f"{origin} on {len(context.dataset.train)} images of {context.dataset.name}{_taught_by(spec, context)}."
    return note_tags(f"{text}{_made_by(context)}")


def variant_note(
    spec: VariantSpec,
    context: Context,
    run_id: str,
    training: RunRecord,
    baseline: RunRecord | None,
    metrics: dict[str, float],
) -> dict[str, str]:
    """The tags with the description of a variant that has been scored with these `metrics`."""
    experiment, dataset = context.store.experiment_id, context.dataset
    against = ""
    if baseline is not None and names.DELTA_MEAN_IOU in metrics:
        against = f" ({metrics[names.DELTA_MEAN_IOU]:+.4f} against {link(experiment, baseline.run_id, baseline.name)}"
        low, high = metrics.get(names.DELTA_MEAN_IOU_LOW), metrics.get(names.DELTA_MEAN_IOU_HIGH)
        if low is not None and high is not None:
            noise = ": within noise" if is_noise(low, high) else ""
            against += f", 95 % interval {low:+.4f} to {high:+.4f}{noise}"
        against += ")"
    height, width, channels = dataset.test.image_shape
    text = (
        f"**{spec.variant.name}** of {link(experiment, training.run_id, training.name)}: "
        f"mean IoU **{metrics[names.MEAN_IOU]:.4f}**{against}, {metrics[names.SIZE_BYTES] / 1024:.1f} KiB; "
        f"scored on {len(sources_of(dataset.test))} test images of {dataset.name}. "
        f"{link(experiment, run_id, 'Its masks', f'/artifacts/{names.GALLERY_FILE}')}.{_made_by(context)}\n\n"
        "```python\n"
        f'model = mlflow.pyfunc.load_model("runs:/{run_id}/model")\n'
        f"ids = model.predict(images)  # (N, {height}, {width}, {channels}) as stored -> class ids\n"
        "```"
    )
    return note_tags(text)


def _taught_by(spec: TrainingSpec, context: Context) -> str:
    """The end of a sentence with a link to the teacher, where there is one."""
    if spec.taught is None:
        return ""
    key, experiment = spec.taught.key, context.store.experiment_id
    runs = context.store.with_key(names.TRAINING, names.TRAINING_KEY, key)
    teacher = next((run for run in runs if run.is_finished), None)
    named = link(experiment, teacher.run_id, teacher.name) if teacher is not None else f"the training {key}"
    return f", taught by {named} (weight {spec.taught.weight:g})"


def _made_by(context: Context) -> str:
    """A sentence with a link to the sweep that makes the run, where one does."""
    sweep = context.sweep.id
    return f" Made by {link(context.store.experiment_id, sweep, 'this sweep')}." if sweep else ""
