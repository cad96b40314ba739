"""Which rows a set of weights is to have, by keys that change where a file would. Imports no TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from hydra import compose, initialize_config_module

from hydra_plugins.segsweep_sweeper.segsweep_sweeper import register
from quality_table import rows
from quality_table.weight_sets import QUICKSTART, WeightSet
from segsweep.config.job_config import parameters, to_job_config
from segsweep.config.keys import content_key, versions
from segsweep.config.schema import JobConfig
from segsweep.data.dataset import Dataset
from segsweep.data.sources import load_dataset
from segsweep.lineage.jobs import lineage
from segsweep.lineage.specs import VariantSpec
from segsweep.models.input_scaling import for_model
from segsweep.quantization.variants import VARIANTS
from segsweep.runs.calibration_images import calibration_indices

FORMAT = 1
"""Raised when a rival's file is made otherwise from the same settings."""

ASKED = tuple(name for name in ("int8", "qat_int8", "int4", "qat_int4") if name in VARIANTS)
"""The variants of segsweep that are in the table; those that this version has."""

_OURS: Mapping[tuple[str, str], str] = {
    ("float", "float32"): rows.FLOAT32,
    ("float", "int8"): rows.INT8,
    ("finetune", "float32"): rows.CONTROL_FLOAT32,
    ("finetune", "int8"): rows.CONTROL_INT8,
    ("qat", "qat_int8"): rows.QAT,
    ("float", "int4"): rows.INT4,
    ("finetune", "int4"): rows.CONTROL_INT4,
    ("qat_int4", "qat_int4"): rows.QAT_INT4,
}
"""By kind of training and name of the variant."""


@dataclass(frozen=True)
class Plan:
    """A set of weights with its settings and data."""

    entry: WeightSet
    config: JobConfig = field(repr=False)
    dataset: Dataset = field(repr=False)
    ours: Mapping[str, VariantSpec] = field(repr=False)
    """segsweep's variants by row, in the order they can be made."""

    @cached_property
    def keys(self) -> Mapping[str, str]:
        """The key of each row that the set is to have."""
        found = {**{name: spec.evaluation_key for name, spec in self.ours.items()}, **self._rival_keys()}
        return {name: key for name, key in found.items() if self.entry.only is None or name in self.entry.only}

    @property
    def calibration_images(self) -> tuple[int, ...]:
        """Indices of the training images that calibrate segsweep's int8, and its rivals."""
        return calibration_indices(self.ours[rows.INT8], self.dataset)

    def _rival_keys(self) -> dict[str, str]:
        base, fine_tune = self.ours[rows.FLOAT32].training, self.ours[rows.QAT].training
        evaluated = {"format": FORMAT, "weights": base.key, "test": self.dataset.test.fingerprint}
        calibrated = {**evaluated, "images": list(self.calibration_images)}
        settings = parameters(fine_tune.config)
        trained = {
            **calibrated,
            "training": {name: value for name, value in settings.items() if name.startswith(("training.", "loss."))},
            **versions("tensorflow", "tensorflow-model-optimization"),
        }
        found = {
            rows.CONVERTER: content_key({**calibrated, **versions("tensorflow")}),
            rows.LIBRARY: content_key({**calibrated, **versions("litert-quantizer")}),
            rows.STOCK_QAT: content_key({**trained, "input": "stock"}),
        }
        if self.entry.family == QUICKSTART:
            found[rows.MENDED_QAT] = content_key({**trained, "input": "mended"})
        return found


def plan_of(entry: WeightSet, work: Path, real: Path | None, uri: str) -> Plan:
    """Read the settings and the data of a set. Raises ConfigError and DataError as `segsweep run` does."""
    overrides = [
        *entry.composed(work, real),
        f"tracking.uri={uri}",
        "tracking.experiment=quality",
        "evaluation.latency.enabled=false",
        "training.preview_images=0",
        "quantization=int8",
    ]
    register()
    with initialize_config_module("segsweep.conf", version_base="1.3"):
        config = to_job_config(compose("config", overrides=overrides))
    dataset = for_model(load_dataset(config.data), config.model)
    ours: dict[str, VariantSpec] = {}
    for name in ASKED:
        job = lineage(replace(config, quantization=replace(config.quantization, name=name)), dataset)
        for spec in job.variants:
            row = _OURS.get((spec.training.kind, spec.variant.name))
            if row is not None:
                ours.setdefault(row, spec)
    return Plan(entry, config, dataset, ours)
