"""What a reader of a report should see first."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from segsweep.report.formats.report_input import ReportInput
from segsweep.report.html.rows import best_rows, records
from segsweep.report.scored_images import images_of
from segsweep.report.trainings import training_labels
from segsweep.tracking import names

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
    chosen = _highest_validation(table, rows)
    if chosen is not None:
        row = rows[chosen]
        tested = f"; its test mean IoU is {row['mean_iou']:.4f}" if pd.notna(row["mean_iou"]) else ""
        facts.append(
            f"The highest validation mean IoU, {row['validation_mean_iou']:.4f}, has {_name(labels[chosen], row)}"
            f"{tested}. segsweep best chooses by it, and prefers a smaller file that cannot be told apart."
        )
    best = best_rows(table, rows)
    if len(best) == 1 and best[0] != chosen:
        top = best[0]
        facts.append(
            f"The highest test mean IoU, {rows[top]['mean_iou']:.4f}, has {_name(labels[top], rows[top])}; a choice by "
            "it would make that score too good."
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


def _highest_validation(table: pd.DataFrame, rows: Sequence[Mapping[str, Any]]) -> int | None:
    """The place of the finished variant with the highest validation mean IoU; controls are left out.

    None where none has one, and where rows were scored on different images.
    """
    scores = {
        place: row["validation_mean_iou"]
        for place, row in enumerate(rows)
        if row["status"] == "FINISHED"
        and row["training_kind"] not in ("finetune", names.ENSEMBLE)
        and pd.notna(row["validation_mean_iou"])
    }
    data = images_of(table, "validation")
    if not scores or data[data != ""].nunique() > 1:
        return None
    return max(scores, key=lambda place: scores[place])
