"""Sweeps as they stand in a store, made without training anything."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from segsweep.sweep.members import members_file
from segsweep.tracking import names
from segsweep.tracking.records import Member
from segsweep.tracking.store import Store


@dataclass(frozen=True)
class Row:
    """One row of a sweep, and the run that was made of it."""

    quantization: str = "float32"
    kind: str = "float"
    width: int = 8
    rate: float = 0.01
    seed: int = 0
    data: str = "npz"
    status: str | None = "FINISHED"
    """How its run ended: `RUNNING` for one that has not; None where there is no run."""
    listed: str | None = "FINISHED"
    """How it ended as the sweep's list has it."""
    reason: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    test: str = "test images"

    @property
    def training(self) -> str:
        """Key of its training."""
        return f"{self.float_training}-{self.kind}" if self.kind != "float" else self.float_training

    @property
    def float_training(self) -> str:
        """Key of the float training that it descends from."""
        return f"{self.data}-{self.width}-{self.rate}-{self.seed}-{json.dumps(dict(self.settings))}"

    @property
    def key(self) -> str:
        """Its evaluation key."""
        return f"{self.quantization}-{self.training}-{self.test}".replace("'", "_")

    @property
    def used_settings(self) -> dict[str, Any]:
        """By override name."""
        return {
            "data.name": self.data,
            "model.name": "strided_unet",
            "model.width": self.width,
            "training.learning_rate": self.rate,
            "seed": self.seed,
            "quantization.name": self.quantization,
            **self.settings,
        }


def scored(mean_iou: float, delta: float = 0.0, half: float | None = None, **more: float) -> dict[str, float]:
    """Metrics of a variant; `half` is half the width of its interval."""
    ends = {} if half is None else {names.DELTA_MEAN_IOU_LOW: delta - half, names.DELTA_MEAN_IOU_HIGH: delta + half}
    return {
        names.MEAN_IOU: mean_iou,
        names.ACCURACY: mean_iou + 0.1,
        names.MEAN_DICE: mean_iou + 0.05,
        names.DELTA_MEAN_IOU: delta,
        names.DELTA_ACCURACY: delta,
        names.AGREEMENT: 0.99,
        names.VALIDATION_MEAN_IOU: mean_iou,
        names.VALIDATION_ACCURACY: mean_iou + 0.1,
        names.VALIDATION_MEAN_DICE: mean_iou + 0.05,
        names.SIZE_BYTES: 1000,
        **ends,
        **more,
    }


def fingerprints_of(test: str) -> dict[str, str]:
    """Of the splits of data whose test images are called so."""
    return {"train": "a", "validation": f"validation beside {test}", "test": test}


def make_run(store: Store, row: Row, sweep_id: str = "some sweep") -> str:
    """The run of a row; its id."""
    tags = {
        names.SWEEP_ID: sweep_id,
        names.EVALUATION_KEY: row.key,
        names.TRAINING_KEY: row.training,
        names.TRAINING_KIND: row.kind,
        names.DATA_FINGERPRINT: json.dumps(fingerprints_of(row.test)),
        names.SCORE_RULES: names.CURRENT_RULES,
        **({names.PARENT_TRAINING_KEY: row.float_training} if row.kind != "float" else {}),
        **row.tags,
    }
    name = f"{row.quantization} w{row.width}"
    run_id = store.create_run(names.VARIANT, name, parent=None, tags=tags, params=row.used_settings)
    store.log(run_id, metrics=row.metrics)
    if row.reason is not None and row.status != "FINISHED":
        store.log(run_id, tags={names.FAILURE: row.reason})
    if row.status not in (None, "RUNNING"):
        store.finish(run_id, row.status)
    return run_id


def make_sweep(
    store: Store, rows: Sequence[Row], status: str = "FINISHED", **tags: str
) -> tuple[str, list[str | None]]:
    """A sweep of rows and their runs; the ids of its run and of theirs."""
    sweep_id = store.create_run(names.SWEEP, "a sweep", parent=None, tags=tags, params={})
    store.log(sweep_id, tags={names.SWEEP_ID: sweep_id})
    runs = [make_run(store, row, sweep_id) if row.status is not None else None for row in rows]
    members = [
        Member(row.key, row.training, row.kind, True, row.used_settings, run, row.listed, row.reason)
        for row, run in zip(rows, runs, strict=True)
    ]
    store.add_artifacts(sweep_id, {names.MEMBERS_FILE: members_file(members)})
    if status != "RUNNING":
        store.finish(sweep_id, status)
    return sweep_id, runs
