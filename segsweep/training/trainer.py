"""Training a model, epoch by epoch, so that it can be interrupted and repeated to the last bit."""

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
import tf_keras as keras

from segsweep.config.schema import LossConfig
from segsweep.config.training_schema import TrainingConfig
from segsweep.data.batches import taught_batches, training_batches
from segsweep.data.class_frequencies import class_frequencies
from segsweep.data.dataset import Dataset
from segsweep.errors import ConfigError, NonFiniteLossError
from segsweep.training.checkpoint import Checkpoint, load, save
from segsweep.training.history import (
    LEARNING_RATE,
    MONITORS,
    TRAIN_LOSS,
    VALIDATION_LOSS,
    EpochReport,
    FitResult,
    seconds_left,
)
from segsweep.training.losses import Loss, build_loss
from segsweep.training.optimizer_steps import optimizer_steps, with_enough_steps
from segsweep.training.optimizers import build_optimizer, state_variables
from segsweep.training.phases import Phase, epochs_of, is_over, phases, plateau_share, target_is_reached
from segsweep.training.schedules import learning_rate
from segsweep.training.steps import TrainStep, Validation
from segsweep.training.teacher import Teacher
from segsweep.training.weight_averaging import WeightAverage

if TYPE_CHECKING:
    from segsweep.training.kept_weights import KeptWeights


@dataclass(frozen=True)
class Preview:
    """What is shown of the validation while a training goes on."""

    images: Sequence[int]
    """Indices of the validation images whose predictions are shown, ascending."""
    show: Callable[[int, list[np.ndarray], bool], None]
    """Given after each epoch: its number, class ids (H, W) uint8 of each image, whether it is the best so far."""


def fit(
    model: keras.Model,
    dataset: Dataset,
    *,
    training: TrainingConfig,
    loss: LossConfig,
    size: tuple[int, int],
    seed: int,
    checkpoint: Path | None = None,
    training_key: str = "",
    on_epoch: Callable[[EpochReport], None] | None = None,
    set_frozen: Callable[[str], None] | None = None,
    preview: Preview | None = None,
    kept: "KeptWeights | None" = None,
    teacher: Teacher | None = None,
    start_counts: bool = False,
) -> FitResult:
    """Train `model` in place, float or quantization-aware; it ends with the weights of its best epoch.

    `size` is height and width of the model's input, in pixels; images are padded to it. `seed` determines order and
    augmentation. With `checkpoint`, a file, the state is written after each epoch, before `on_epoch` is called, and a
    training that finds its own state there (by `training_key`) goes on from it; with one thread it then ends with the
    weights it would have had without the interruption. The file is left for the caller to remove. `set_frozen` makes
    layers of the model trainable or not, as `training.fine_tuning.frozen` says; in the end they are as they were.
    `kept` says what the weights keep to; epochs before they do are not chosen. Of a `teacher`, the logits are learned
    from, on the unlabelled images of the data too. With `start_counts`, the weights that the model has are scored too,
    as epoch 0, and kept where no epoch is better; not where `kept` has yet to make them what they are to be.

    Raises NonFiniteLossError, DataError where no pixel counts, and ConfigError for settings that name nothing known.
    """
    if training.early_stopping.monitor not in MONITORS:
        raise ConfigError(
            f"training.early_stopping.monitor={training.early_stopping.monitor} is unknown; "
            f"there are {', '.join(sorted(MONITORS))}"
        )
    start = time.perf_counter()
    training = with_enough_steps(training, len(dataset.train), by_pixel=dataset.task.by_pixel)
    objective = _objective(loss, dataset)
    validation = Validation(
        model,
        objective,
        dataset.validation,
        dataset.normalization,
        class_names=dataset.classes,
        size=size,
        batch_size=optimizer_steps(training, len(dataset.train)).batch_size,
        watched=preview.images if preview else (),
    )
    state = load(checkpoint, training_key) if checkpoint else None
    resumed_from = state.epoch if state else None
    start_report, history = _reports(state.history) if state else (None, ())
    seconds_before = state.seconds if state else 0.0
    train_step_seconds = 0.0
    free_epochs = kept.free_epochs if kept else 0
    if state is None and start_counts and (kept is None or kept.holds_at_start):
        start_report = _start_report(validation())
        scored, seconds = tuple(model.get_weights()), time.perf_counter() - start
        state = _advanced(None, model, scored, (), training, training_key, (start_report,), seconds)
    were_trainable = [(layer, layer.trainable) for layer in model.submodules if isinstance(layer, keras.layers.Layer)]

    planned = phases(training)
    for phase in planned:
        begun = epochs_of(phase, history)
        if history and (history[-1].phase > phase.number or _is_over(state, phase, history)):
            continue
        if phase.frozen is not None and set_frozen is not None:
            set_frozen(phase.frozen)
        optimizer = build_optimizer(phase.settings)
        step = TrainStep(model, optimizer, objective, xla=training.xla, kept=kept, teacher=teacher)
        if state:
            model.set_weights(state.weights if begun else state.best_weights)
        step.average = average = WeightAverage(model, training.ema) if training.ema is not None else None
        carried = [*state_variables(optimizer), *(average.variables if average else ())]
        if state and begun:
            for variable, value in zip(carried, state.optimizer, strict=True):
                variable.assign(value)
        durations: list[float] = []
        first = len(history) - len(begun) + 1
        last = first + phase.epochs - 1
        epochs = last + sum(later.epochs for later in planned[phase.number :])
        for epoch in range(len(history) + 1, last + 1):
            epoch_start = time.perf_counter()
            metrics = _train_epoch(
                step, dataset, phase, history[first - 1 :], size=size, seed=seed, epoch=epoch, first=first
            )
            with average.in_model() if average else nullcontext():
                metrics |= validation()
                scored = tuple(model.get_weights())
            for name in (TRAIN_LOSS, VALIDATION_LOSS):
                if not math.isfinite(metrics[name]):
                    raise NonFiniteLossError(f"{name} is {metrics[name]} in epoch {epoch} of {epochs}")
            durations.append(time.perf_counter() - epoch_start)
            report = EpochReport(
                epoch=epoch,
                epochs=epochs,
                metrics=metrics,
                seconds=durations[-1],
                seconds_left=seconds_left(epoch, epochs, durations),
                timestamp_ms=time.time_ns() // 1_000_000,
                phase=phase.number,
            )
            history = (*history, report)
            seconds = seconds_before + time.perf_counter() - start
            may_be_best = state is not None and (state.best_epoch > free_epochs or start_report is not None)
            state = _advanced(
                state if may_be_best else None,
                model,
                scored,
                carried,
                training,
                training_key,
                (*([start_report] if start_report else []), *history),
                seconds,
            )
            if checkpoint:
                save(checkpoint, state)
            if preview:
                preview.show(epoch, validation.predictions, state.best_epoch == epoch)
            if on_epoch:
                on_epoch(report)
            if _is_over(state, phase, history):
                break
        train_step_seconds += step.seconds

    assert state is not None, "there is at least one epoch"
    for layer, is_trainable in were_trainable:
        layer.trainable = is_trainable
    model.set_weights(state.best_weights)
    return FitResult(
        history=history,
        best_epoch=state.best_epoch,
        start=start_report,
        seconds=seconds_before + time.perf_counter() - start,
        resumed_from=resumed_from,
        train_step_seconds=train_step_seconds,
        validation_seconds=validation.seconds,
    )


def _objective(loss: LossConfig, dataset: Dataset) -> Loss:
    classes = len(dataset.classes)
    balanced = loss.class_weights == "balanced"
    return build_loss(
        loss,
        classes=classes,
        class_frequencies=class_frequencies(dataset.train, classes) if balanced else None,
    )


def _train_epoch(
    step: TrainStep,
    dataset: Dataset,
    phase: Phase,
    begun: Sequence[EpochReport],
    *,
    size: tuple[int, int],
    seed: int,
    epoch: int,
    first: int,
) -> dict[str, float]:
    """One epoch of a phase, whose first one is `first` and whose epochs so far are `begun`."""
    training = phase.settings
    planned = optimizer_steps(training, len(dataset.train))
    taught = partial(taught_batches, unlabelled=dataset.unlabelled)
    made_by: Callable[..., Iterator[Sequence[np.ndarray]]] = taught if step.is_taught else training_batches
    batches = made_by(
        dataset.train,
        dataset.normalization,
        size=size,
        batch_size=planned.batch_size,
        augmentation=training.augmentation,
        seed=seed,
        epoch=epoch,
    )
    rate, share = 0.0, plateau_share(training, begun)
    for number, (images, labels, *seen) in enumerate(batches, start=(epoch - first) * planned.per_epoch):
        rate = learning_rate(training, number, planned.per_epoch, share)
        step(images, labels, rate, *seen)
    return {**step.metrics(), LEARNING_RATE: rate}


def _advanced(
    before: Checkpoint | None,
    model: keras.Model,
    scored: tuple[np.ndarray, ...],
    carried: Sequence[tf.Variable],
    training: TrainingConfig,
    training_key: str,
    history: tuple[EpochReport, ...],
    seconds: float,
) -> Checkpoint:
    """The state after the last epoch of `history`, whose metrics are those of the weights `scored`.

    `carried` are all variables of the optimizer and of the average of the weights.
    """
    monitor = training.early_stopping.monitor
    epoch, value = history[-1].epoch, history[-1].metrics[monitor]
    now = Checkpoint(
        training_key=training_key,
        epoch=epoch,
        weights=tuple(model.get_weights()),
        optimizer=tuple(variable.numpy() for variable in carried),
        best_weights=scored,
        best_value=value,
        best_epoch=epoch,
        epochs_without_improvement=0,
        history=json.dumps([asdict(report) for report in history]),
        seconds=seconds,
    )
    # On ties, keep the earlier epoch.
    if before is None or MONITORS[monitor] * (value - before.best_value) > 0:
        return now
    waited = before.epochs_without_improvement if history[-2].phase == history[-1].phase else 0
    return replace(
        now,
        best_weights=before.best_weights,
        best_value=before.best_value,
        best_epoch=before.best_epoch,
        epochs_without_improvement=waited + 1,
    )


def _is_over(state: Checkpoint | None, phase: Phase, history: Sequence[EpochReport]) -> bool:
    """Whether no more epochs of a phase are to follow those of `history`."""
    assert state is not None, "there was an epoch"
    return target_is_reached(phase.settings, state.best_value) or is_over(
        phase, history, state.epochs_without_improvement
    )


def _start_report(metrics: dict[str, float]) -> EpochReport:
    """What is known of the weights before the first epoch."""
    return EpochReport(
        epoch=0, epochs=0, metrics=metrics, seconds=0.0, seconds_left=None, timestamp_ms=time.time_ns() // 1_000_000
    )


def _reports(history: str) -> tuple[EpochReport | None, tuple[EpochReport, ...]]:
    """Epoch 0, where the start was scored, and the epochs."""
    reports = tuple(EpochReport(**report) for report in json.loads(history))
    has_start = bool(reports) and reports[0].epoch == 0
    return (reports[0], reports[1:]) if has_start else (None, reports)
