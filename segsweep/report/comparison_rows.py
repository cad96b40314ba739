"""The rows of a comparison: what a sweep lists, joined with the runs that were made of it."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from segsweep.resolving import FINETUNE_LEARNING_RATE_FACTOR
from segsweep.tracking import names
from segsweep.tracking.records import Member, RunRecord

SETTING_COLUMNS = {
    "data": "data.name",
    "model": "model.name",
    "width": "model.width",
    "learning_rate": "training.learning_rate",
    "seed": "seed",
    "quantization": "quantization.name",
}
METRIC_COLUMNS = {
    "accuracy": names.ACCURACY,
    "mean_iou": names.MEAN_IOU,
    "mean_dice": names.MEAN_DICE,
    "delta_accuracy": names.DELTA_ACCURACY,
    "delta_mean_iou": names.DELTA_MEAN_IOU,
    "agreement": names.AGREEMENT,
    "size_bytes": names.SIZE_BYTES,
    "latency_p50_ms": names.LATENCY_P50,
    "train_s": names.TRAIN_SECONDS,
    "peak_memory_bytes": names.PEAK_MEMORY,
    "arena_bytes": names.ARENA_MEMORY,
    "micro_arena_bytes": names.MICRO_ARENA,
    "macs": names.MACS,
    "gain_against_control": names.GAIN_MEAN_IOU,
    "gzip_bytes": names.GZIP_BYTES,
    "sparsity": names.SPARSITY,
    "distinct_weights": names.DISTINCT_WEIGHTS,
    "validation_agreement": names.VALIDATION_AGREEMENT,
    "validation_accuracy": names.VALIDATION_ACCURACY,
    "validation_mean_iou": names.VALIDATION_MEAN_IOU,
    "validation_mean_dice": names.VALIDATION_MEAN_DICE,
}
"""From columns to metrics; those between `train_s` and the validation scores stand in a comparison only where somebody
asks for them."""
TAG_COLUMNS: Mapping[str, str] = {"range": names.RANGES, "correction": names.CORRECTION}
"""From columns to tags: the rules of the ranges of activations, and what was done to weights before they became
integers. One stands in a comparison where a row has more to say than `none`."""
_MEASURES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("pruned", "pqat"), ("gain_against_control", "gzip_bytes", "sparsity")),
    **dict.fromkeys(("clustered", "cqat"), ("gain_against_control", "gzip_bytes", "distinct_weights")),
    **dict.fromkeys(("qat_int4", "qat_mixed"), ("gain_against_control",)),
}
"""By kind of training: the columns that show what it is good for, where a sweep has such variants."""
DELETED = "DELETED"
"""Status of a row whose run somebody deleted in MLflow."""
PENDING = "PENDING"
"""Status of a row that nobody has begun."""
RUNNING = "RUNNING"

_WAS_DELETED = "its run was deleted in MLflow; the same command makes it again"
_FINETUNE_RATE = "quantization.learning_rate"


def row(member: Member, run: RunRecord | None, sizes: Mapping[str, float], extra: Sequence[str]) -> dict[str, Any]:
    """One row by column, without those that are empty, and with its `reason` where it is not finished.

    Args:
        member: what the sweep lists.
        run: the newest finished run of it, else the newest other one.
        sizes: of the baselines, as :func:`baseline_sizes` gives them.
        extra: settings with a column of their own.
    """
    found: dict[str, Any] = {column: member.settings.get(name) for column, name in SETTING_COLUMNS.items()}
    found |= {name: _plain(member.settings.get(name)) for name in extra}
    found["training_kind"] = member.training_kind
    found["status"], found["reason"] = _ending(member, run)
    found["run_id"] = run.run_id if run is not None and found["status"] != DELETED else member.run_id
    if run is not None and run.is_finished:
        found |= {column: run.tags.get(tag) for column, tag in TAG_COLUMNS.items()}
        found |= {column: run.metrics.get(name) for column, name in METRIC_COLUMNS.items()}
        baseline_size = sizes.get(float_training(run))
        if baseline_size and found["size_bytes"]:
            found["size_ratio"] = found["size_bytes"] / baseline_size
    return found


def _ending(member: Member, run: RunRecord | None) -> tuple[str, str]:
    """How a row ended, and why if not well."""
    if run is not None and run.is_finished:
        return run.status, ""
    if run is not None and run.status == RUNNING:
        return RUNNING, ""
    if member.status == "FINISHED" and (run is None or run.run_id != member.run_id):
        return DELETED, _WAS_DELETED
    reason = member.reason or (run.tags.get(names.FAILURE) if run is not None else None) or ""
    return member.status or (run.status if run is not None else PENDING), reason


def baseline_sizes(runs: Iterable[RunRecord]) -> dict[str, float]:
    """Bytes of the baseline of each float training, by the training's key."""
    found = baselines(runs)
    return {key: run.metrics[names.SIZE_BYTES] for key, run in found.items() if names.SIZE_BYTES in run.metrics}


def baselines(runs: Iterable[RunRecord]) -> dict[str, RunRecord]:
    """The finished baseline of each float training, by the training's key."""
    return {
        float_training(run): run
        for run in runs
        if run.is_finished
        and run.tags.get(names.TRAINING_KIND) == "float"
        and run.params.get(SETTING_COLUMNS["quantization"]) == "float32"
    }


def float_training(run: RunRecord) -> str:
    """Key of the float training that a variant descends from."""
    return run.tags.get(names.PARENT_TRAINING_KEY) or run.tags.get(names.TRAINING_KEY, "")


def measures(members: Sequence[Member]) -> list[str]:
    """The columns of `METRIC_COLUMNS` that the kinds of variants ask for."""
    return list(dict.fromkeys(name for member in members for name in _MEASURES.get(member.training_kind, ())))


def varying_settings(members: Sequence[Member]) -> list[str]:
    """Settings that vary among the members and have no column yet; one that some do not use does not vary by that."""
    values: dict[str, set[str]] = {}
    for member in members:
        for name, value in member.settings.items():
            values.setdefault(name, set()).add(json.dumps(value))
    fixed = set(SETTING_COLUMNS.values())
    if all(_follows(member) for member in members):
        fixed.add(_FINETUNE_RATE)
    return [name for name, found in values.items() if len(found) > 1 and name not in fixed]


def _follows(member: Member) -> bool:
    """Whether a fine-tune's learning rate is what it is where nobody sets it."""
    rate, of_float = member.settings.get(_FINETUNE_RATE), member.settings.get(SETTING_COLUMNS["learning_rate"])
    return rate is None or (of_float is not None and math.isclose(rate, of_float * FINETUNE_LEARNING_RATE_FACTOR))


def _plain(value: Any) -> Any:
    """A setting as a cell: lists as text."""
    return json.dumps(value) if isinstance(value, list | dict) else value
