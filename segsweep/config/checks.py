"""Ranges of the settings, and what would be right."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from segsweep.config.data_checks import check_data
from segsweep.config.loss_checks import check_loss
from segsweep.config.loss_schema import TERMS
from segsweep.config.quantization_checks import check_quantization
from segsweep.errors import ConfigError


@dataclass(frozen=True)
class Range:
    """The values a number may have."""

    words: str
    """Completes "must be ..."."""
    holds: Callable[[float], bool]


@dataclass(frozen=True)
class OneOf:
    """The words a setting may have."""

    choices: tuple[str | bool, ...]

    @property
    def words(self) -> str:
        return ", ".join(str(each).lower() if isinstance(each, bool) else each for each in self.choices)


@dataclass(frozen=True)
class Interval:
    """Two numbers, the lower first, each in a range."""

    of: Range


POSITIVE = Range("greater than 0 and finite", lambda value: value > 0 and math.isfinite(value))
AT_LEAST_ZERO = Range("0 or greater, and finite", lambda value: value >= 0 and math.isfinite(value))
COUNT = Range("1 or greater", lambda value: value >= 1)
FRACTION = Range("between 0 and 1, both excluded", lambda value: 0 < value < 1)

RULES: dict[str, Range | OneOf | Interval] = {
    "data.histogram": OneOf(("none", "equalize", "match")),
    "data.size": Range("16 or greater", lambda value: value >= 16),
    "data.fit": OneOf(("resize", "crop", "pad")),
    "data.palette_tolerance": Range("0 to 127", lambda value: 0 <= value <= 127),
    "data.duplicates": OneOf(("refuse", "drop")),
    "data.view": OneOf(("auto", "nadir", "upright")),
    "data.points": COUNT,
    "data.points_seed": AT_LEAST_ZERO,
    "data.labels": OneOf(("fine", "coarse")),
    "data.target": OneOf(("classes", "foreground")),
    "data.nodata": Range("a finite number; NaN is no data anyway", math.isfinite),
    "data.normalize": OneOf(("standard", "percentile")),
    "data.channels": AT_LEAST_ZERO,
    "data.rgb": AT_LEAST_ZERO,
    "data.patch.size": Range("8 or greater", lambda value: value >= 8),
    "data.patch.stride": COUNT,
    "data.cache_mib": AT_LEAST_ZERO,
    "data.train_images": COUNT,
    "data.validation_images": COUNT,
    "data.test_images": COUNT,
    "data.validation_fraction": FRACTION,
    "data.test_fraction": FRACTION,
    "data.seed": AT_LEAST_ZERO,
    "data.split_seed": AT_LEAST_ZERO,
    "model.width": COUNT,
    "model.depth": Range("1 to 7", lambda value: 1 <= value <= 7),
    "model.upsampling": OneOf(("nearest", "bilinear", "transposed")),
    "model.alpha": POSITIVE,
    "model.dropout": Range("at least 0 and below 1", lambda value: 0 <= value < 1),
    "model.output_stride": Range("8 or 16", lambda value: value in (8, 16)),
    **{f"loss.terms.{term}": AT_LEAST_ZERO for term in TERMS},
    **{f"loss.{term}gamma": AT_LEAST_ZERO for term in ("", "focal.", "partial_cross_entropy.")},
    **{f"loss.{term}smooth": POSITIVE for term in ("", "dice.", "jaccard.", "tversky.")},
    **{f"loss.{term}{name}": POSITIVE for term in ("", "tversky.") for name in ("alpha", "beta")},
    "loss.tversky.gamma": POSITIVE,
    "training.epochs": COUNT,
    "training.batch_size": COUNT,
    "training.learning_rate": POSITIVE,
    "training.optimizer": OneOf(("adam", "adamw", "nadam", "rmsprop", "sgd")),
    "training.weight_decay": AT_LEAST_ZERO,
    "training.momentum": Range("at least 0 and below 1", lambda value: 0 <= value < 1),
    "training.schedule": OneOf(("constant", "cosine", "linear", "exponential", "plateau")),
    "training.warmup_epochs": AT_LEAST_ZERO,
    "training.gradient_clip_norm": POSITIVE,
    "training.ema": FRACTION,
    "training.threads": COUNT,
    "training.early_stopping.monitor": OneOf(("val/mean_iou", "val/mean_dice", "val/accuracy", "val/loss")),
    "training.early_stopping.patience": COUNT,
    "training.early_stopping.target": Range("finite", math.isfinite),
    "training.augmentation.flips": OneOf(("auto", True, False, "horizontal")),
    "training.augmentation.turns": OneOf(("auto", True, False)),
    "training.augmentation.scale": Interval(Range("0.25 to 8", lambda value: 0.25 <= value <= 8)),
    "training.augmentation.brightness": AT_LEAST_ZERO,
    "training.augmentation.contrast": Interval(AT_LEAST_ZERO),
    "training.augmentation.noise": AT_LEAST_ZERO,
    "training.plateau.factor": FRACTION,
    "training.plateau.patience": COUNT,
    "training.plateau.min_share": FRACTION,
    "training.fine_tuning.epochs": AT_LEAST_ZERO,
    "training.fine_tuning.learning_rate": POSITIVE,
    "training.pseudo_labels.rounds": Range("0 to 10", lambda value: 0 <= value <= 10),
    "training.pseudo_labels.threshold": Range("greater than 0 and at most 1", lambda value: 0 < value <= 1),
    "training.pseudo_labels.start": OneOf(("teacher", "anew")),
    "training.pseudo_labels.images": OneOf(("unlabelled", "training", "both")),
    "training.teacher_weight": AT_LEAST_ZERO,
    "training.teacher_width": COUNT,
    "training.preview_images": Range("0 to 16", lambda value: 0 <= value <= 16),
    "quantization.name": OneOf(
        (
            *("float32", "float16", "dynamic_range", "weight_only_int8", "int8", "int16x8", "int4", "mixed"),
            *("qat_int8", "qat_int4", "qat_mixed", "pruned_float32", "pruned_int8"),
            *("clustered_float32", "clustered_int8", "pqat_int8", "cqat_int8"),
        )
    ),
    "quantization.calibration.samples": COUNT,
    "quantization.calibration.seed": AT_LEAST_ZERO,
    "quantization.calibration.choice": OneOf(("random", "stratified", "farthest")),
    "quantization.calibration.range": OneOf(("auto", "min_max", "average", "percentile", "mse")),
    "quantization.calibration.percentile": Range("at least 50 and below 100", lambda value: 50 <= value < 100),
    "quantization.pruning.sparsity": FRACTION,
    "quantization.clustering.clusters": Range("2 to 256", lambda value: 2 <= value <= 256),
    "quantization.epochs": COUNT,
    "quantization.learning_rate": POSITIVE,
    "quantization.distillation": AT_LEAST_ZERO,
    "evaluation.batch_size": COUNT,
    "evaluation.latency.warmup_runs": AT_LEAST_ZERO,
    "evaluation.latency.runs": Range("5 or greater", lambda value: value >= 5),
    "evaluation.latency.seconds": POSITIVE,
    "ensemble.name": OneOf(("none", "best")),
    "ensemble.size": Range("2 or greater", lambda value: value >= 2),
    "ensemble.combine": OneOf(("mean", "weighted", "vote")),
    "tracking.patience": AT_LEAST_ZERO,
    "tracking.heartbeat": POSITIVE,
    "sweep.workers": COUNT,
    "sweep.timeout": POSITIVE,
    "sweep.max_trials": COUNT,
    "sweep.max_hours": POSITIVE,
    "sweep.repeat_best": COUNT,
    "sweep.retries": AT_LEAST_ZERO,
    "seed": Range("0 to 4294967295", lambda value: 0 <= value < 2**32),
}
"""By override name. A setting that is `null` is not checked: its type says whether it may be."""

RULES_OF_MODELS: dict[str, dict[str, Range]] = {
    "pixel_mlp": {"model.depth": Range("0 to 7", lambda value: 0 <= value <= 7)},
}
"""By the model's name: rules that take the place of those in `RULES`."""


def check(leaves: dict[str, Any]) -> None:
    """Refuse the first value out of its range.

    Args:
        leaves: values by override name.

    Raises:
        ConfigError: with the override name, the value and what would be right.
    """
    rules = RULES | RULES_OF_MODELS.get(leaves.get("model.name", ""), {})
    for name, value in leaves.items():
        rule = rules.get(name)
        if rule is None or value is None:
            continue
        if isinstance(rule, OneOf):
            # As Python has it, 1 equals True; as a setting, it would be another one.
            if not any(value == choice and type(value) is type(choice) for choice in rule.choices):
                raise ConfigError(f"{name}={value} is not a choice; it must be one of {rule.words}")
        elif isinstance(rule, Interval):
            if len(value) != 2 or not (rule.of.holds(value[0]) and value[0] <= value[1] and rule.of.holds(value[1])):
                raise ConfigError(
                    f"{name}={value} is no interval; it must be [low, high] with each {rule.of.words}, or null"
                )
        elif not all(_is_within(rule, each) for each in (value if isinstance(value, list) else [value])):
            raise ConfigError(f"{name}={value} is out of range; it must be {rule.words}")
    variant = leaves.get("quantization.name")
    if variant in ("mixed", "qat_mixed") and leaves.get("quantization.recipe") is None:
        raise ConfigError(
            f"quantization={variant} needs a recipe; give quantization.recipe=FILE (segsweep search --output FILE "
            "makes one)"
        )
    check_data(leaves)
    check_loss(leaves)
    check_quantization(leaves)


def _is_within(rule: Range, value: float) -> bool:
    return not math.isnan(value) and rule.holds(value)
