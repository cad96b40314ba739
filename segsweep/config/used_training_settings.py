"""Which settings of a training bear on the weights that come of it."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from segsweep.config.training_schema import WIDEST, TrainingConfig

WITHOUT_EFFECT = ("preview_images", "tensorboard", "teacher_key")
"""Training settings that change nothing of the weights, or only by way of another one."""

OFF: dict[str, Any] = {
    "mixed_precision": False,
    "initial_weights": None,
    "xla": False,
    "ema": None,
    "augmentation.scale": None,
    "augmentation.brightness": 0.0,
    "augmentation.contrast": None,
    "augmentation.noise": 0.0,
    "early_stopping.target": None,
}
"""Training settings that count only where they differ from the value here, at which they do nothing."""

USED_WHERE: dict[str, Callable[[TrainingConfig], bool]] = {
    "momentum": lambda training: training.optimizer == "sgd",
    "plateau": lambda training: training.schedule == "plateau",
    "pseudo_labels": lambda training: training.pseudo_labels.rounds > 0,
    "fine_tuning": lambda training: training.fine_tuning.epochs > 0,
    "teacher": lambda training: training.is_taught,
    "teacher_weight": lambda training: training.is_taught,
    "teacher_width": lambda training: training.is_taught and training.teacher == WIDEST,
}
"""Training settings, or sections of them, that count only where others ask for them."""

SWITCHES = frozenset({"training.fine_tuning.epochs", "training.pseudo_labels.rounds", "training.teacher"})
"""Settings, by override name, whose 0 or `null` says that others are not used: no weights depend on it, but people
compare it with other values."""


def used_training_settings(training: TrainingConfig) -> dict[str, Any]:
    """The settings that bear on the weights, by section; equal for trainings that are the same."""
    settings = asdict(training)
    for path in (*unused_training_settings(training), *OFF):
        *sections, name = path.split(".")
        section = settings
        for each in sections:
            section = section[each]
        if path not in OFF or section[name] == OFF[path]:
            del section[name]
    return settings


def unused_training_settings(training: TrainingConfig) -> tuple[str, ...]:
    """Names of the settings, or of sections of them, that mean nothing with these others."""
    unused = (name for name, is_used in USED_WHERE.items() if not is_used(training))
    return (*WITHOUT_EFFECT, *unused)
