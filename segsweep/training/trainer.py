"""Training a model, epoch by epoch, so that it can be interrupted and repeated to the last bit."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import tf_keras as keras

from segsweep.config.schema import LossConfig, TrainingConfig
from segsweep.data.batches import training_batches
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
from segsweep.training.optimizers import build_optimizer, state_variables
from segsweep.training.schedules import learning_rate
from segsweep.training.steps import TrainStep, Validation


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
) -> FitResult:
    """Train `model` in place, float or quantization-aware; it ends with the weights of its best epoch.

    `size` is height and width of the model's input, in pixels; images are padded to it. `seed` determines order and
    augmentation. With `checkpoint`, a file, the state is written after each epoch, before `on_epoch` is called, and a
    training that finds its own state there (by `training_key`) goes on from it; with one thread it then ends with the
    weights it would have had without the interruption. The file is left for the caller to remove.

    Raises NonFiniteLossError, DataError where no pixel counts, and ConfigError for settings that name nothing known.
    """
    if training.early_stopping.monitor not in MONITORS:
        raise ConfigError(
            f"training.early_stopping.monitor={training.early_stopping.monitor} is unknown; "
            f"there are {', '.join(sorted(MONITORS))}"
        )
    start = time.perf_counter()
    optimizer = build_optimizer(training)
    objective = _objective(loss, dataset)
    step = TrainStep(model, optimizer, objective)
    validation = Validation(
        model,
        objective,
        dataset.validation,
        dataset.normalization,
        class_names=dataset.classes,
        size=size,
        batch_size=training.batch_size,
    )
    state = load(checkpoint, training_key) if checkpoint else None
    resumed_from = state.epoch if state else None
    history = _reports(state.history) if state else ()
    seconds_before = state.seconds if state else 0.0
    if state:
        model.set_weights(state.weights)
        for variable, value in zip(state_variables(optimizer), state.optimizer, strict=True):
            variable.assign(value)

    for epoch in range(len(history) + 1, training.epochs + 1):
        if state and _is_over(state, training):
            break
        epoch_start = time.perf_counter()
        metrics = _train_epoch(step, dataset, training, size=size, seed=seed, epoch=epoch)
        metrics |= validation()
        for name in (TRAIN_LOSS, VALIDATION_LOSS):
            if not math.isfinite(metrics[name]):
                raise NonFiniteLossError(f"{name} is {metrics[name]} in epoch {epoch} of {training.epochs}")
        durations = [*(report.seconds for report in history[resumed_from or 0 :]), time.perf_counter() - epoch_start]
        report = EpochReport(
            epoch=epoch,
            epochs=training.epochs,
            metrics=metrics,
            seconds=durations[-1],
            seconds_left=seconds_left(epoch, training.epochs, durations),
            timestamp_ms=time.time_ns() // 1_000_000,
        )
        history = (*history, report)
        seconds = seconds_before + time.perf_counter() - start
        state = _advanced(state, model, optimizer, training, training_key, history, seconds)
        if checkpoint:
            save(checkpoint, state)
        if on_epoch:
            on_epoch(report)

    assert state is not None, "there is at least one epoch"
    model.set_weights(state.best_weights)
    return FitResult(
        history=history,
        best_epoch=state.best_epoch,
        seconds=seconds_before + time.perf_counter() - start,
        resumed_from=resumed_from,
        train_step_seconds=step.seconds,
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
    step: TrainStep, dataset: Dataset, training: TrainingConfig, *, size: tuple[int, int], seed: int, epoch: int
) -> dict[str, float]:
    steps = -(-len(dataset.train) // training.batch_size)
    batches = training_batches(
        dataset.train,
        dataset.normalization,
        size=size,
        batch_size=training.batch_size,
        augmentation=training.augmentation,
        seed=seed,
        epoch=epoch,
    )
    rate = 0.0
    for number, (images, labels) in enumerate(batches, start=(epoch - 1) * steps):
        rate = learning_rate(training, number, steps)
        step(images, labels, rate)
    return {**step.metrics(), LEARNING_RATE: rate}


def _advanced(
    before: Checkpoint | None,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    training: TrainingConfig,
    training_key: str,
    history: tuple[EpochReport, ...],
    seconds: float,
) -> Checkpoint:
    """The state after the last epoch of `history`."""
    monitor = training.early_stopping.monitor
    epoch, value = history[-1].epoch, history[-1].metrics[monitor]
    now = Checkpoint(
        training_key=training_key,
        epoch=epoch,
        weights=(weights := tuple(model.get_weights())),
        optimizer=tuple(variable.numpy() for variable in state_variables(optimizer)),
        best_weights=weights,
        best_value=value,
        best_epoch=epoch,
        epochs_without_improvement=0,
        history=json.dumps([asdict(report) for report in history]),
        seconds=seconds,
    )
    # Of equal epochs, the earlier one.
    if before is None or MONITORS[monitor] * (value - before.best_value) > 0:
        return now
    return replace(
        now,
        best_weights=before.best_weights,
        best_value=before.best_value,
        best_epoch=before.best_epoch,
        epochs_without_improvement=before.epochs_without_improvement + 1,
    )


def _is_over(state: Checkpoint, training: TrainingConfig) -> bool:
    patience = training.early_stopping.patience
    return patience is not None and state.epochs_without_improvement >= patience


def _reports(history: str) -> tuple[EpochReport, ...]:
    return tuple(EpochReport(**report) for report in json.loads(history))
