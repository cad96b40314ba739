"""Learning rate by step. Imports no TensorFlow: a rate is a number, set before each step."""

import math
from collections.abc import Callable

from segsweep.config.training_schema import TrainingConfig
from segsweep.errors import ConfigError

FINAL_SHARE = 0.01
"""Where `exponential` ends, as a share of the highest rate."""

SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda progress: 1.0,
    "cosine": lambda progress: (1 + math.cos(math.pi * progress)) / 2,
    "linear": lambda progress: 1 - progress,
    "exponential": lambda progress: FINAL_SHARE**progress,
    # Its share depends on the epochs before: `segsweep.training.phases.plateau_share`.
    "plateau": lambda progress: 1.0,
}
"""Share of the highest rate, from the share 0..1 of the steps after the warm-up that is done.

Cosine: Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983, without restarts.
"""


def learning_rate(settings: TrainingConfig, step: int, steps_per_epoch: int, share: float = 1.0) -> float:
    """The rate of a step, counted from 0 over all epochs of a phase; times `share`.

    Over the warm-up it rises linearly from 0 and reaches its highest with the first step after it; the schedule takes
    what is left of the epochs. Raises ConfigError for an unknown schedule.
    """
    if settings.schedule not in SCHEDULES:
        raise ConfigError(f"training.schedule={settings.schedule} is unknown; there are {', '.join(sorted(SCHEDULES))}")
    warmup = settings.warmup_epochs * steps_per_epoch
    if step < warmup:
        return settings.learning_rate * step / warmup
    assert settings.epochs is not None, "settings are resolved"
    progress = (step - warmup) / max(1, settings.epochs * steps_per_epoch - warmup)
    return settings.learning_rate * SCHEDULES[settings.schedule](min(1.0, progress)) * share
