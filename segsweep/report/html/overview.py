"""What a reader of a report should see first."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from segsweep.report.formats.report_input import ReportInput
from segsweep.report.html.rows import best_rows, records
from segsweep.report.trainings import training_labels

_ENDINGS = {"FAILED": "failed", "KILLED": "were stopped", "SKIPPED": "were left out"}


@dataclass(frozen=True)
class Overview:
    """The head of a page."""

    title: str
    facts: tuple[str, ...]
    """A sentence each."""
    warnings: tuple[str, ...]
    """What must be known beside the numbers, a sentence each."""


def overview(report: ReportInput) -> Overview:
    """The head of a report's page."""
    table = report.table
    labels = [str(label) for label in training_labels(table)] if len(table) else []
    rows = records(table)
    done = [label for label, row in zip(labels, rows, strict=True) if row["status"] == "FINISHED"]
    facts = []
    if done:
        trainings = len(set(done))
        facts.append(
            f"{len(done)} {_plural('variant', len(done))} of {trainings} {_plural('training', trainings)} "
            f"{'is' if len(done) == 1 else 'are'} finished."
        )
    best = best_rows(table, rows)
    if len(best) == 1:
        top = best[0]
        facts.append(f"The best mean IoU, {rows[top]['mean_iou']:.4f}, has {_name(labels[top], rows[top])}.")
        small = _smallest_without_loss(rows, table.attrs.get("delta_mean_iou", {}))
        if small is not None and small != top:
            facts.append(
                "The smallest file whose loss against float32 of its own training is within noise is "
                f"{_name(labels[small], rows[small])}, with {rows[small]['mean_iou']:.4f}."
            )
    ended = Counter(row["status"] for row in rows)
    failed = [
        f"{ended[status]} of {len(rows)} rows {words}; the table says why."
        for status, words in _ENDINGS.items()
        if ended[status]
    ]
    return Overview(report.sweep.name, tuple(facts), (*table.attrs.get("remarks", ()), *failed))


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def _name(label: str, row: Mapping[str, Any]) -> str:
    size = row["size_bytes"]
    return f"{label} {row['quantization']}" + (f" ({size / 1024:.1f} KiB)" if pd.notna(size) else "")


def _smallest_without_loss(rows: Sequence[Mapping[str, Any]], ends: Mapping[object, tuple[float, float]]) -> int | None:
    """The place of the smallest variant that is not known to be worse than its baseline; controls are left out.

    Of equally small ones it is the best.
    """
    # Sizes as people read them: some bytes of a name decide nothing.
    sizes = {
        place: (round(row["size_bytes"] / 1024, 1), -row["mean_iou"])
        for place, row in enumerate(rows)
        if row["status"] == "FINISHED"
        and row["training_kind"] != "finetune"
        and row["quantization"] != "float32"
        and pd.notna(row["size_bytes"])
        and pd.notna(row["mean_iou"])
        and ends.get(row["run_id"], (0.0, -1.0))[1] >= 0
    }
    return min(sizes, key=lambda place: sizes[place]) if sizes else None
