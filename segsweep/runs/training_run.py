"""The run of a training: found in the store, or made."""

import io
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from shutil import rmtree
from typing import TYPE_CHECKING

import numpy as np

from segsweep.config.job_config import parameters, to_yaml
from segsweep.data.augmentation import does_nothing
from segsweep.data.augmented_picture import augmented_picture
from segsweep.errors import MadeElsewhere, TrainingFailed, TrainingPruned, reason_of
from segsweep.lineage.specs import TrainingSpec, VariantSpec
from segsweep.models.initial_weights import set_initial_weights
from segsweep.quantization.range_rules import RangeChoice
from segsweep.quantization.recipe import Recipe
from segsweep.quantization.training_kinds import BY_START, TRAINING_KINDS
from segsweep.runs.calibration_images import calibration_images
from segsweep.runs.context import Context
from segsweep.runs.descriptions import training_note
from segsweep.runs.history_log import HistoryLog
from segsweep.runs.previews import Previews
from segsweep.runs.pseudo_labelling import given_labels
from segsweep.runs.run_names import training_name
from segsweep.runs.shared_checkpoint import SharedCheckpoint
from segsweep.runs.teachers import teacher_of
from segsweep.runs.trained_models import load_model, prepared, untrained
from segsweep.runs.used_data import training_data
from segsweep.runs.variant_file import variant_file
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.training.late_rise import late_rise
from segsweep.training.optimizer_steps import optimizer_steps

if TYPE_CHECKING:
    import tf_keras as keras

    from segsweep.training.history import EpochReport
    from segsweep.training.kept_weights import KeptWeights
    from segsweep.training.tensorboard import TensorBoardLog


def ensure_training(spec: TrainingSpec, context: Context) -> RunRecord:
    """The finished run of `spec`; trains it, and what it starts from, where the store does not have it intact.

    Raises:
        TrainingFailed: it, or what it starts from, ended in an error.
    """

    def train(earlier: list[RunRecord]) -> RunRecord:
        try:
            return _train(spec, context, earlier)
        except (TrainingFailed, MadeElsewhere):
            raise
        except TrainingPruned as error:
            raise TrainingFailed(spec.key, str(error), pruned=True) from error
        except Exception as error:
            name = training_name(spec)
            raise TrainingFailed(spec.key, f"training {name} failed: {reason_of(error)}") from error

    return context.found_or_made(names.TRAINING, names.TRAINING_KEY, spec.key, train)


def _kept(model: "keras.Model", spec: TrainingSpec, images: int) -> "KeptWeights | None":
    """What the weights of a training keep to, from those on that it starts from."""
    if TRAINING_KINDS[spec.kind].keeps is None:
        return None
    from segsweep.training.kept_weights import KEPT_BY_KIND, Budget

    steps, quantization = optimizer_steps(spec.config.training, images), spec.config.quantization
    budget = Budget(
        epochs=steps.epochs,
        steps_per_epoch=steps.per_epoch,
        sparsity=quantization.pruning.sparsity,
        clusters=quantization.clustering.clusters,
    )
    return KEPT_BY_KIND[spec.kind](model, budget)


def _recipe_of_start(spec: TrainingSpec, context: Context) -> Recipe:
    """The recipe of the post-training file that a training begins at."""
    assert spec.start is not None
    recipe = variant_file(spec.start, context).recipe
    assert recipe is not None, f"{spec.start.variant.name} has no recipe"
    return recipe


def _start_ranges(aware: "keras.Model", start: VariantSpec, context: Context) -> None:
    """Give a quantization-aware model the ranges of the post-training file that it begins at."""
    from segsweep.quantization.activation_ranges import start_ranges

    file = variant_file(start, context)
    if not file.calibration_images:  # a recipe without integer activations
        return
    images = calibration_images(file.calibration_images, context.dataset, start.size)
    choice = RangeChoice.parse(file.ranges)
    start_ranges(aware, images, choice, start.config.quantization.calibration.percentile)


def _train(spec: TrainingSpec, context: Context, earlier: Sequence[RunRecord]) -> RunRecord:
    """Train; `earlier` are the runs of the same training that came to nothing, the newest first."""
    store, dataset = context.store, context.dataset
    extra_files: dict[str, bytes] = {}
    teacher = spec.root.teacher
    if teacher is not None:
        ensure_training(teacher, context)
    if spec.taught is not None and spec.taught.training is not None:
        ensure_training(spec.taught.training, context)
    if spec.parent is None:
        parent_run = origin = context.sweep.id or ""
        model = untrained(spec, context, spec.size, mixed_precision=spec.config.training.mixed_precision)
        from segsweep.models.pretrained import start

        start(model, spec.config.model, dataset.rgb)
        if spec.config.training.initial_weights is not None:
            set_initial_weights(model, spec.config.training.initial_weights)
    else:
        parent_run = ensure_training(spec.root, context).run_id
        origin = ensure_training(spec.parent, context).run_id
        recipe = spec.recipe
        if TRAINING_KINDS[spec.kind].rounds == BY_START:
            recipe = _recipe_of_start(spec, context).plain
            extra_files[names.RECIPE_FILE] = recipe.to_yaml().encode()
        model = prepared(load_model(spec.parent, context, spec.size), spec, recipe)
        if spec.start is not None:
            _start_ranges(model, spec.start, context)

    interrupted = [record for record in earlier if store.is_abandoned(record)]
    checkpoint = store.location.folder / "checkpoints" / f"{spec.key}.npz"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    shared = SharedCheckpoint(store, checkpoint)
    if interrupted and not checkpoint.exists():
        shared.fetch(interrupted)
    if checkpoint.exists() and interrupted and store.may_reopen(interrupted[0]):
        run_id = interrupted[0].run_id
        store.reopen_run(run_id, parent=parent_run, tags=context.common_tags(spec))
    else:
        run_id = store.create_run(
            names.TRAINING,
            training_name(spec),
            parent=parent_run,
            tags={**context.common_tags(spec), **training_note(spec, context, origin)},
            params=parameters(spec.config),
        )
        store.log_data(run_id, training_data(dataset, spec.config.data))
    with store.ending(run_id), shared.uploading(run_id):
        context.claim(run_id, names.TRAINING, names.TRAINING_KEY, spec.key)
        if teacher is not None:
            taught_by = load_model(teacher, context, spec.size)
            labels = given_labels(spec.root.config, taught_by, context)
            if spec.parent is None and spec.config.training.pseudo_labels.start == "teacher":
                model.set_weights(taught_by.get_weights())
            context.models.pop(teacher.key)
            dataset, extra_files = labels.dataset, extra_files | labels.files
            if spec.root.config.training.pseudo_labels.images != "training":
                # They are among the training images now.
                dataset = replace(dataset, unlabelled=None)
            store.log(run_id, tags={names.TEACHER_KEY: teacher.key}, metrics=labels.metrics)
        from segsweep.models.freezing import freeze
        from segsweep.training.trainer import Preview, fit

        log = HistoryLog(context, run_id)

        def on_epoch(report: "EpochReport") -> None:
            log.add(report)
            shared.offer()
            if board is not None:
                board.add(report)

        training = spec.config.training
        board = _tensorboard(spec, context, run_id)
        previews = Previews(store, dataset, training.preview_images)
        if board is not None:
            previews.also = lambda epoch, picture: board.add_image(epoch, names.PREVIEWS, np.asarray(picture))
        context.progress.stage(f"training {spec.kind}", optimizer_steps(training, len(dataset.train)).epochs)
        started = time.perf_counter()
        with previews.logging(run_id):
            result = fit(
                model,
                dataset,
                training=training,
                loss=spec.config.loss,
                size=spec.size,
                seed=spec.config.seed,
                checkpoint=checkpoint,
                training_key=spec.key,
                on_epoch=on_epoch,
                set_frozen=partial(freeze, model, spec.config.model),
                preview=Preview(previews.images, previews.show) if previews.images else None,
                kept=_kept(model, spec, len(dataset.train)),
                teacher=teacher_of(spec, context),
                start_counts=spec.parent is not None,
            )
        # An interrupted process may have taken its last epochs with it; those already in the store are not doubled.
        log.write(result.history[: result.resumed_from or 0])
        log.flush()
        if training.mixed_precision:
            # What is exported and fine-tuned computes in float32.
            trained, model = model, untrained(spec, context, spec.size)
            model.set_weights(trained.get_weights())
        files = {
            names.WEIGHTS_FILE: _weights_file(model),
            names.CONFIG_FILE: to_yaml(spec.config).encode(),
            names.HISTORY_FILE: json.dumps([report.metrics for report in result.history]).encode(),
        }
        if TRAINING_KINDS[spec.kind].rounds is None:
            files[names.ARCHITECTURE_FILE] = model.to_json().encode()
        if spec.kind == "float" and not does_nothing(training.augmentation):
            files[names.AUGMENTED_FILE] = augmented_picture(
                dataset, training.augmentation, size=spec.size, seed=spec.config.seed
            )
        files |= extra_files
        if board is not None:
            events = board.complete(result.history)
            files |= {f"{names.TENSORBOARD_FOLDER}/{name}": content for name, content in events.items()}
        hashes = store.upload(run_id, files)
        rise = late_rise(result.history) if spec.kind == "float" else None
        kept_epochs = {"best": result.best, **({"start": result.start} if result.start is not None else {})}
        store.log(
            run_id,
            tags={**hashes, **({names.RESUMED: str(result.resumed_from)} if result.resumed_from else {})},
            metrics={
                names.TRAIN_SECONDS: result.seconds if result.resumed_from else time.perf_counter() - started,
                names.TRAIN_STEP_SECONDS: result.train_step_seconds,
                names.VALIDATION_SECONDS: result.validation_seconds,
                names.BEST_EPOCH: result.best_epoch,
                **({names.LATE_RISE: rise} if rise is not None else {}),
                **{
                    name.replace("val/", f"{which}/val_", 1): value
                    for which, report in kept_epochs.items()
                    for name, value in report.metrics.items()
                    if name.startswith("val/")
                },
            },
        )
    checkpoint.unlink(missing_ok=True)
    if board is not None:
        rmtree(board.folder, ignore_errors=True)
    context.models[spec.key] = model
    return store.get(run_id)


def _tensorboard(spec: TrainingSpec, context: Context, run_id: str) -> "TensorBoardLog | None":
    """Event files beside the store, if they are wanted; the run says where."""
    if not spec.config.training.tensorboard:
        return None
    from segsweep.training.tensorboard import TensorBoardLog

    folder = context.store.location.folder / names.TENSORBOARD_FOLDER / spec.key
    context.store.log(run_id, tags={names.TENSORBOARD: str(folder)})
    return TensorBoardLog(folder)


def _weights_file(model: "keras.Model") -> bytes:
    """Weights as an npz archive; in sorted order, the arrays are what `set_weights` takes."""
    buffer = io.BytesIO()
    arrays = {
        f"{index:04d} {variable.name.replace('/', '.')}": value
        for index, (variable, value) in enumerate(zip(model.weights, model.get_weights(), strict=True))
    }
    np.savez(buffer, **arrays)
    return buffer.getvalue()
