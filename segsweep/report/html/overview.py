"""What a reader of a report should see first."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from segsweep.report.formats.report_input import ReportInput
from segsweep.report.html.rows import best_row
from segsweep.report.trainings import training_labels


@dataclass(frozen=True)
class Overview:
    """The head of a page."""

    title: str
    facts: tuple[str, ...]
    """A sentence each."""
    warnings: tuple[str, ...]
    """What keeps the report from being complete, a sentence each."""


def overview(report: ReportInput) -> Overview:
    """The head of a report's page."""
    table = report.table
    labels = [str(label) for label in training_labels(table)] if len(table) else []
    rows: list[dict[str, Any]] = [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]
    done = [label for label, row in zip(labels, rows, strict=True) if row["status"] == "FINISHED"]
    facts = []
    if done:
        trainings = len(set(done))
        facts.append(
            f"{len(done)} {_plural('variant', len(done))} of {trainings} {_plural('training', trainings)} "
            f"{'is' if len(done) == 1 else 'are'} finished."
        )
    best = best_row(rows)
    if best is not None:
        facts.append(f"The best mean IoU, {rows[best]['mean_iou']:.4f}, has {_name(labels[best], rows[best])}.")
        small = _smallest_without_loss(rows, table.attrs.get("delta_mean_iou", {}))
        if small is not None and small != best:
            facts.append(
                "The smallest file whose loss against float32 of its own training is within noise is "
                f"{_name(labels[small], rows[small])}, with {rows[small]['mean_iou']:.4f}."
            )
    return Overview(report.sweep.name, tuple(facts), tuple(_warnings(report)))


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def _name(label: str, row: Mapping[str, Any]) -> str:
    size = row["size_bytes"]
    return f"{label} {row['quantization']}" + (f" ({size / 1024:.1f} KiB)" if pd.notna(size) else "")


def _smallest_without_loss(rows: Sequence[Mapping[str, Any]], ends: Mapping[object, tuple[float, float]]) -> int | None:
    """The place of the smallest variant that is not known to be worse than its baseline; controls are left out."""
    sizes = {
        place: row["size_bytes"]
        for place, row in enumerate(rows)
        if row["status"] == "FINISHED"
        and row["training_kind"] != "finetune"
        and row["quantization"] != "float32"
        and pd.notna(row["size_bytes"])
        and ends.get(row["run_id"], (0.0, -1.0))[1] >= 0
    }
    return min(sizes, key=lambda place: sizes[place]) if sizes else None


def _warnings(report: ReportInput) -> list[str]:
    table = report.table
    found = []
    states = Counter(table["status"])
    left = sum(states[status] for status in ("PENDING", "RUNNING"))
    if not len(table):
        found.append("The sweep has no rows.")
    if report.sweep.status == "RUNNING":
        found.append(f"The sweep is still running: {states['FINISHED']} of {len(table)} rows are finished.")
    elif left:
        found.append(f"{left} of {len(table)} rows were not made; the same command again makes them.")
    for status, words in (("FAILED", "failed"), ("KILLED", "were stopped"), ("SKIPPED", "were left out")):
        if states[status]:
            found.append(f"{states[status]} of {len(table)} rows {words}; the table says why.")
    if table["data"].nunique() > 1:
        found.append("The rows are of several data sets; numbers of different ones cannot be compared.")
    return found
