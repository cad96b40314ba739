"""The variants of a sweep among which one is chosen, and what is wished of it."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from segsweep.devices.footprint import Footprint, stated_footprint
from segsweep.evaluation.confusion import accuracies, mean_dices, mean_ious
from segsweep.report.comparison import Comparison
from segsweep.report.comparison_rows import baselines, float_training
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord

CONTROL = "finetune"
"""The training kind of a control."""


VALIDATION, TEST = "validation", "test"
SPLITS = (VALIDATION, TEST)
"""What a choice may be made on; the first one unless somebody asks for the other."""


@dataclass(frozen=True)
class Metric:
    """A score that may decide; more is better."""

    words: str
    name: str
    """Of the test split, in the store."""
    validation_name: str
    """Of the validation split, in the store."""
    score: Callable[[np.ndarray], np.ndarray]
    """From confusion matrices (R, K, K) to scores (R,)."""

    def name_on(self, split: str) -> str:
        """The metric of a split, in the store."""
        return self.validation_name if split == VALIDATION else self.name

    def words_on(self, split: str) -> str:
        """`validation mean IoU`."""
        return f"{split} {self.words}"


METRICS: Mapping[str, Metric] = {
    "accuracy": Metric("accuracy", names.ACCURACY, names.VALIDATION_ACCURACY, accuracies),
    "mean_iou": Metric("mean IoU", names.MEAN_IOU, names.VALIDATION_MEAN_IOU, mean_ious),
    "mean_dice": Metric("mean Dice", names.MEAN_DICE, names.VALIDATION_MEAN_DICE, mean_dices),
}
"""From the word after `--metric`."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A finished variant."""

    run: RunRecord = field(repr=False)
    label: str
    """Its run's name, with the settings by which it differs from others of that name."""
    score: float
    """Of the metric that decides, on the split that decides."""
    size_bytes: int
    latency_ms: float | None
    """Median of one image, one thread, on the host that measured it; None where nobody did."""
    drop: float | None
    """By how much the score is below that of the baseline, the float32 file of the same float training, on the same
    split."""
    footprint: Footprint | None = field(default=None, repr=False)
    """What it asks of a device; None where nobody knows."""

    @property
    def is_control(self) -> bool:
        """Whether it only stands beside a quantization-aware variant for comparison."""
        return self.run.tags.get(names.TRAINING_KIND) == CONTROL


@dataclass(frozen=True)
class Limit:
    """One wish: that a number be at most so large."""

    option: str
    """Of the command line, with what was given."""
    what: str
    most: float
    value: Callable[[Candidate], float | None]
    shown: Callable[[float], str]
    step: float = 0.0
    """What an excess is measured in where `most` is less than this."""
    reasons: Callable[[Candidate], str] | None = None
    """Says what is missed, where a number does not."""

    def excess(self, candidate: Candidate) -> float:
        """By how much of itself the limit is passed: 0 or less where it is kept, infinite where nobody knows."""
        value = self.value(candidate)
        return float("inf") if value is None else (value - self.most) / max(self.most, self.step)

    def is_kept(self, candidate: Candidate) -> bool:
        """Whether the candidate is known to keep it; what rounding of decimals adds does not count."""
        return self.excess(candidate) <= 1e-9


def candidates(
    comparison: Comparison,
    metric: Metric,
    split: str,
    footprint_of: Callable[[RunRecord], Footprint | None] = stated_footprint,
) -> list[Candidate]:
    """The finished single files of a comparison that have the score of `split`, in its order."""
    rows: list[Any] = comparison.table.to_dict("records")
    runs = [comparison.runs.get(str(row["run_id"])) for row in rows]
    labels = _labels(comparison.table, rows, runs)
    deciding = metric.name_on(split)
    # A baseline that was deleted and made again has another id than the one that its variants were compared with.
    made_again = baselines(comparison.runs.values())
    found = []
    for label, run in zip(labels, runs, strict=True):
        if run is None or not is_file(run) or deciding not in run.metrics:
            continue
        baseline = comparison.runs.get(run.tags.get(names.BASELINE_RUN_ID, "")) or made_again.get(float_training(run))
        found.append(
            Candidate(
                run=run,
                label=label,
                score=run.metrics[deciding],
                size_bytes=int(run.metrics[names.SIZE_BYTES]),
                latency_ms=run.metrics.get(names.LATENCY_P50),
                drop=_drop(run, baseline, deciding),
                footprint=footprint_of(run),
            )
        )
    return found


def is_file(run: RunRecord) -> bool:
    """Whether a run is of a finished variant that is a single file."""
    is_ensemble = run.tags.get(names.TRAINING_KIND) == names.ENSEMBLE
    return run.is_finished and names.SIZE_BYTES in run.metrics and not is_ensemble


def data_of(candidate: Candidate, split: str) -> str:
    """The fingerprint of the images of a split that it was scored on; empty where an older version did not say."""
    return str(json.loads(candidate.run.tags.get(names.DATA_FINGERPRINT, "{}")).get(split, ""))


def _drop(run: RunRecord, baseline: RunRecord | None, deciding: str) -> float | None:
    if baseline is None or deciding not in baseline.metrics:
        return None
    return baseline.metrics[deciding] - run.metrics[deciding]


def _labels(table: pd.DataFrame, rows: Sequence[Mapping[str, Any]], runs: Sequence[RunRecord | None]) -> list[str]:
    """A name for each row: the run's, which says what most sweeps vary, and what it does not say where it must."""
    said = {"model", "width", "learning_rate", "seed", "quantization"}
    settings = [name for name in table.columns[: table.columns.get_loc("training_kind")] if name not in said]
    varying = [name for name in settings if table[name].nunique(dropna=False) > 1]
    plain = [run.name if run is not None else "" for run in runs]
    times = Counter(plain)
    labels = []
    for row, name in zip(rows, plain, strict=True):
        more = [f"{each.rpartition('.')[2]} {row[each]}" for each in varying if not pd.isna(row[each])]
        labels.append(", ".join([name, *more]) if times[name] > 1 else name)
    return labels
