"""What is known of a training, epoch by epoch. Imports no TensorFlow."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

TRAIN_LOSS = "train/loss"
TRAIN_ACCURACY = "train/accuracy"
TRAIN_DIVERGENCE = "train/divergence"
"""From the teacher, of a training that has one; without its weight, and not part of `train/loss`."""
VALIDATION_LOSS = "val/loss"
VALIDATION_ACCURACY = "val/accuracy"
VALIDATION_MEAN_IOU = "val/mean_iou"
VALIDATION_MEAN_DICE = "val/mean_dice"
LEARNING_RATE = "learning_rate"

MONITORS = {VALIDATION_MEAN_IOU: 1.0, VALIDATION_MEAN_DICE: 1.0, VALIDATION_ACCURACY: 1.0, VALIDATION_LOSS: -1.0}
"""The metrics that can choose the best epoch; times this, higher is better."""


@dataclass(frozen=True)
class EpochReport:
    """One epoch that is done."""

    epoch: int
    """Which one, from 1; 0 for the weights that a fine-tune starts from, of which only the validation is known."""
    epochs: int
    """How many there are at most."""
    metrics: dict[str, float]
    """The training's are means over the epoch, while the weights changed; `learning_rate` is that of its last step."""
    seconds: float
    """Wall time of this epoch, validation included."""
    seconds_left: float | None
    """Wall time expected until the last epoch is done; None while nothing but the slow first epoch is known."""
    timestamp_ms: int
    """When it was done, in milliseconds since 1970."""
    phase: int = 1
    """2 in the fine-tuning that follows the first phase."""


@dataclass(frozen=True)
class FitResult:
    """A training that is done; its model holds the weights of the best epoch."""

    history: tuple[EpochReport, ...]
    """All epochs, also those made before an interruption."""
    best_epoch: int
    """The epoch, from 1, whose weights were kept; 0: those it started from."""
    start: EpochReport | None
    """Epoch 0, where the start counts."""
    seconds: float
    """Wall time, also that before an interruption."""
    resumed_from: int | None
    """The last epoch that a checkpoint held; None where training started from scratch."""
    train_step_seconds: float
    """The part of this process's time that went into train steps, tracing included."""
    validation_seconds: float
    """The part that went into scoring the validation split."""

    @property
    def best(self) -> EpochReport:
        """The report of the best epoch."""
        reports = (*([self.start] if self.start else []), *self.history)
        return next(report for report in reports if report.epoch == self.best_epoch)


def seconds_left(epoch: int, epochs: int, durations: Sequence[float]) -> float | None:
    """Expected wall time of the epochs after `epoch`, from those before; a process's first also traces the graph."""
    if epoch == epochs:
        return 0.0
    return statistics.median(durations[1:]) * (epochs - epoch) if len(durations) > 1 else None
