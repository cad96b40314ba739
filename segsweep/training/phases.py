"""The phases of a training and where one ends, from the history of its epochs alone. Imports no TensorFlow."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from segsweep.config.training_schema import TrainingConfig
from segsweep.training.history import MONITORS, EpochReport

FINE_TUNING_SHARE = 0.1
"""The learning rate of fine-tuning where none is given, as a share of the first phase's."""


@dataclass(frozen=True)
class Phase:
    """A stretch of epochs with one optimizer and one set of trainable layers."""

    number: int
    """From 1."""
    settings: TrainingConfig
    """With the epochs and the learning rate of this phase."""
    frozen: str | None
    """Which of the encoder's layers stay as they are; None: as the model was built."""

    @property
    def epochs(self) -> int:
        """How many it has at most."""
        assert self.settings.epochs is not None, "settings are resolved"
        return self.settings.epochs


def phases(training: TrainingConfig) -> tuple[Phase, ...]:
    """The one phase of a training, or the two where it ends in fine-tuning."""
    first = Phase(1, training, None)
    tuning = training.fine_tuning
    if not tuning.epochs:
        return (first,)
    settings = replace(training, epochs=tuning.epochs, learning_rate=fine_tuning_rate(training), warmup_epochs=0)
    return first, Phase(2, settings, tuning.frozen)


def fine_tuning_rate(training: TrainingConfig) -> float:
    """The highest learning rate of fine-tuning."""
    given = training.fine_tuning.learning_rate
    return FINE_TUNING_SHARE * training.learning_rate if given is None else given


def epochs_of(phase: Phase, history: Sequence[EpochReport]) -> list[EpochReport]:
    """The epochs of a phase that are done."""
    return [report for report in history if report.phase == phase.number]


def is_over(phase: Phase, history: Sequence[EpochReport], without_improvement: int) -> bool:
    """Whether a phase needs no more epochs: it had them all, or as many as its patience without a better one."""
    patience = phase.settings.early_stopping.patience
    done = len(epochs_of(phase, history))
    return done >= phase.epochs or (patience is not None and done > 0 and without_improvement >= patience)


def target_is_reached(training: TrainingConfig, best: float) -> bool:
    """Whether the best value of the monitored metric is good enough to stop in whatever phase."""
    stopping = training.early_stopping
    sign = MONITORS[stopping.monitor]
    return stopping.target is not None and sign * best >= sign * stopping.target


def plateau_share(settings: TrainingConfig, history: Sequence[EpochReport]) -> float:
    """The share of the highest rate after the epochs `history` of a phase, where its schedule is `plateau`.

    As Keras's ReduceLROnPlateau, without a least difference: what is better by anything is better.
    """
    if settings.schedule != "plateau":
        return 1.0
    monitor, plateau = settings.early_stopping.monitor, settings.plateau
    share, waited, best = 1.0, 0, float("-inf")
    for report in history[settings.warmup_epochs :]:
        value = MONITORS[monitor] * report.metrics[monitor]
        waited = 0 if value > best else waited + 1
        best = max(best, value)
        if waited >= plateau.patience:
            share, waited = max(share * plateau.factor, plateau.min_share), 0
    return share
