"""What runs are called where people read it: the settings that most sweeps vary, and those that this one does."""

from collections.abc import Iterable, Mapping
from typing import Any

from segsweep.config.job_config import parameters
from segsweep.config.schema import JobConfig
from segsweep.lineage.specs import TrainingSpec, VariantSpec
from segsweep.lineage.used_settings import used_settings
from segsweep.models.table import model_name

_SAID = ("model.name", "model.encoder", "model.width", "training.learning_rate", "seed", "quantization.name")
"""Settings that every name says."""
_PLAIN = ("data.name", "loss.name")
"""Settings whose value says what it is of."""
_NOT_OF_TRAININGS = ("quantization.", "evaluation.", "tracking.", "sweep.")
_LONGEST = 40


def varying_settings(configs: Iterable[JobConfig]) -> set[str]:
    """Settings that differ among the jobs that have them, by override name; one that only some have says nothing."""
    values: dict[str, set[str]] = {}
    for config in configs:
        for name, value in parameters(config).items():
            values.setdefault(name, set()).add(repr(value))
    return {name for name, found in values.items() if len(found) > 1}


def training_name(spec: TrainingSpec) -> str:
    """A training's name: `strided_unet w8 lr0.001 float`, `backbone_unet vgg16 w8 lr0.001 seed1 depth3 float`.

    A fine-tune has the learning rate of the training that it starts from, by which people know both.
    """
    config = spec.root.config
    settings = {name: value for name, value in parameters(config).items() if not name.startswith(_NOT_OF_TRAININGS)}
    return f"{_settings_name(config, settings)} {spec.kind}"


def variant_name(spec: VariantSpec) -> str:
    """A variant's name: `strided_unet w8 lr0.001 int8`."""
    kind = "finetune " if spec.training.kind == "finetune" else ""
    return f"{_settings_name(spec.config, used_settings(spec))} {kind}{spec.variant.name}"


def _settings_name(config: JobConfig, settings: Mapping[str, Any]) -> str:
    seed = f" seed{config.seed}" if config.seed else ""
    varying = [name for name in config.sweep.varying if name in settings and name not in _SAID]
    more = "".join(f" {_said(name, settings[name])}" for name in varying)
    return f"{model_name(config.model)} w{config.model.width} lr{config.training.learning_rate:g}{seed}{more}"


def _said(name: str, value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return (text if name in _PLAIN else f"{name.rpartition('.')[2]}{'=' * text[:1].isalpha()}{text}")[:_LONGEST]
