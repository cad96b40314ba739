"""What every step of a job needs at hand."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from filelock import FileLock

from segsweep import __version__
from segsweep.config.schema import JobConfig, SweepConfig
from segsweep.data.dataset import Dataset
from segsweep.lineage import TrainingSpec, VariantSpec
from segsweep.progress import Reporter
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store


@dataclass(frozen=True)
class Context:
    """Where a job works."""

    store: Store
    dataset: Dataset
    sweep: SweepConfig
    """Which sweep, job and attempt this is."""
    progress: Reporter
    models: dict[str, Any] = field(default_factory=dict, repr=False)
    """Keras models by training key, kept while they are needed."""
    found: dict[str, RunRecord] = field(default_factory=dict, repr=False)
    """Runs by training or evaluation key that this job found or made: they need no second look."""

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Hold `key` against every other process of this host; the system releases it when its holder dies."""
        folder = self.store.location.folder / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{key}.lock"):
            yield

    def common_tags(self, training: TrainingSpec) -> dict[str, str]:
        """Tags of a training run, which its variants bear too."""
        tags = {
            names.SWEEP_ID: self.sweep.id or "",
            names.JOB: str(self.sweep.number),
            names.ATTEMPT: str(self.sweep.attempt),
            names.TRAINING_KEY: training.key,
            names.TRAINING_KIND: training.kind,
            names.VERSION: __version__,
            names.DATA_FINGERPRINT: json.dumps(
                {
                    "train": self.dataset.train.fingerprint,
                    "validation": self.dataset.validation.fingerprint,
                    "test": self.dataset.test.fingerprint,
                }
            ),
        }
        if training.parent is not None:
            tags[names.PARENT_TRAINING_KEY] = training.parent.key
        return tags


def training_name(config: JobConfig, kind: str) -> str:
    """A training's name for people: `strided_unet w8 lr0.001 float`."""
    seed = f" seed{config.seed}" if config.seed else ""
    return f"{config.model.name} w{config.model.width} lr{config.training.learning_rate:g}{seed} {kind}"


def variant_name(spec: VariantSpec) -> str:
    """A variant's name for people: `strided_unet w8 lr0.001 int8`."""
    name = spec.variant.name
    return training_name(spec.config, f"finetune {name}" if spec.training.kind == "finetune" else name)
