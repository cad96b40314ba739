"""The comparison as rows and columns of text for a page: what is shown, how it sorts, how it is marked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from segsweep.report.formats.report_input import ReportInput
from segsweep.report.pareto import pareto_optimal
from segsweep.tracking import names

FRONTS = (("mean_iou", "size_bytes"), ("mean_iou", "latency_p50_ms"))
"""What Pareto-optimal means where the sweep says nothing: of accuracy and size, and of accuracy and latency."""
_MOST_CHOICES = 40

_TITLES = {
    "quantization": "variant",
    "training_kind": "training",
    "learning_rate": "rate",
    "mean_iou": "mean IoU",
    "mean_dice": "mean Dice",
    "delta_accuracy": "Δ accuracy",
    "delta_mean_iou": "Δ mean IoU",
    "size_bytes": "KiB",
    "size_ratio": "size",
    "latency_p50_ms": "ms",
    "train_s": "trained, s",
    "run_id": "run",
    "interval": "95 % interval",
}
_HINTS = {
    "accuracy": "share of the counted test pixels with the right class",
    "mean_iou": "intersection over union, mean over the classes present",
    "delta_mean_iou": "against float32 of the same training",
    "interval": "95 % interval of Δ mean IoU; ~ where 0 is in it",
    "agreement": "share of test pixels with the class that float32 predicts",
    "size_bytes": "size of the .tflite file",
    "size_ratio": "share of the size of float32",
    "latency_p50_ms": "median time of one image, one thread",
}
_NUMBERS = {
    "accuracy": ".4f", "mean_iou": ".4f", "mean_dice": ".4f", "delta_accuracy": "+.4f", "delta_mean_iou": "+.4f",
    "agreement": ".4f", "size_ratio": ".0%", "latency_p50_ms": ".2f", "train_s": ".1f",
}  # fmt: skip
_SCORES = ("accuracy", "mean_iou", "delta_mean_iou", "agreement", "size_bytes", "size_ratio", "latency_p50_ms")
_INTERVAL = "interval"
_FRONT_WORDS = {"size_bytes": "size", "latency_p50_ms": "latency"}
_WITH_DECIMALS = (
    "accuracy",
    "mean_iou",
    "mean_dice",
    "delta_accuracy",
    "delta_mean_iou",
    "agreement",
    "latency_p50_ms",
)
"""Columns whose digits one may choose."""


@dataclass(frozen=True)
class Column:
    """A column of the page's table."""

    name: str
    title: str
    hint: str
    is_number: bool


@dataclass(frozen=True)
class Cell:
    """What stands in a column of a row."""

    text: str
    value: float | None = None
    """By which it sorts, where that is a number."""
    look: str = ""
    """A class of the style sheet."""


@dataclass(frozen=True)
class Mark:
    """A word about a row."""

    look: str
    text: str


@dataclass(frozen=True)
class Row:
    """A variant."""

    cells: tuple[Cell, ...]
    marks: tuple[Mark, ...]
    reason: str
    """Why there are no numbers; empty where there are."""


@dataclass(frozen=True)
class Choice:
    """A column by whose values rows can be chosen."""

    index: int
    title: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """The comparison as the page shows it."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    choices: tuple[Choice, ...]
    same: tuple[tuple[str, str], ...]
    """Settings that are the same in all rows, with their values."""
    fronts: tuple[str, ...]
    """What the marks of Pareto-optimal rows mean."""


def settings_of(table: pd.DataFrame) -> list[str]:
    """The columns of a comparison that hold settings."""
    return list(table.columns[: table.columns.get_loc("training_kind")])


def varying_settings(table: pd.DataFrame) -> list[str]:
    """Those that differ among the rows, the variant's name aside."""
    return [name for name in settings_of(table) if name != "quantization" and table[name].nunique(dropna=False) > 1]


def plain(value: object) -> str:
    """A setting as text; empty for none."""
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def title(name: str) -> str:
    """A column's name for people."""
    return _TITLES.get(name, name)


def best_row(rows: Sequence[Mapping[str, Any]]) -> int | None:
    """The place of the finished variant with the highest mean IoU, controls left out."""
    scores = {
        place: row["mean_iou"]
        for place, row in enumerate(rows)
        if row["status"] == "FINISHED" and row["training_kind"] != "finetune" and pd.notna(row["mean_iou"])
    }
    return max(scores, key=lambda place: scores[place]) if scores else None


def page_table(report: ReportInput) -> Table:
    """The comparison of a report."""
    table = report.table
    if report.view.group_by:
        table = table.sort_values(report.view.group_by, kind="stable")
    shown = list(report.view.columns) if report.view.columns else _usual_columns(table)
    columns = tuple(Column(name, title(name), _HINTS.get(name, ""), _is_number(table, name)) for name in shown)
    fronts = _fronts(table)
    records: list[dict[str, Any]] = [
        {str(key): value for key, value in row.items()} for row in table.to_dict("records")
    ]
    ends = table.attrs.get("delta_mean_iou", {})
    rows = tuple(
        Row(
            tuple(_cell(row, column, ends.get(row["run_id"]), report.view.decimals) for column in columns),
            tuple(marks),
            _reason(report, row),
        )
        for row, marks in zip(records, _marks(table, records, fronts), strict=True)
    )
    settings = [name for name in settings_of(table) if table[name].nunique(dropna=False) <= 1]
    same = [(title(name), plain(records[0][name])) for name in settings if records]
    return Table(
        columns,
        rows,
        _choices(table, shown),
        tuple((name, value) for name, value in same if value),
        tuple(" and ".join(_FRONT_WORDS.get(each, title(each)) for each in front) for front in fronts),
    )


def _usual_columns(table: pd.DataFrame) -> list[str]:
    scores = [name for name in _SCORES if table[name].notna().any()]
    if "delta_mean_iou" in scores and table.attrs.get("delta_mean_iou"):
        scores.insert(scores.index("delta_mean_iou") + 1, _INTERVAL)
    status = ["status"] if set(table["status"]) - {"FINISHED"} else []
    return ["quantization", *varying_settings(table), "training_kind", *status, *scores]


def _is_number(table: pd.DataFrame, name: str) -> bool:
    return name == _INTERVAL or (pd.api.types.is_numeric_dtype(table[name].infer_objects()) and name != "seed")


def _fronts(table: pd.DataFrame) -> list[Sequence[str]]:
    wanted = table.attrs.get("objectives")
    return [wanted] if wanted else [front for front in FRONTS if table[front[1]].notna().any()]


def _marks(table: pd.DataFrame, rows: Sequence[Mapping[str, Any]], fronts: Sequence[Sequence[str]]) -> list[list[Mark]]:
    found: list[list[Mark]] = [[] for _ in rows]
    best = best_row(rows)
    if best is not None:
        found[best].append(Mark("best", "best"))
    optimal: list[list[str]] = [[] for _ in rows]
    for front in fronts:
        what = ", ".join(_FRONT_WORDS.get(name, title(name)) for name in front if name != "mean_iou")
        for place in np.flatnonzero(pareto_optimal(table, front)):
            optimal[place].append(what)
    for marks, found_in in zip(found, optimal, strict=True):
        if found_in:
            marks.append(Mark("pareto", f"Pareto: {', '.join(found_in)}"))
    for marks, row in zip(found, rows, strict=True):
        if row["training_kind"] == "finetune":
            marks.append(Mark("control", "control"))
    return found


def _reason(report: ReportInput, row: Mapping[str, Any]) -> str:
    if row["status"] == "FINISHED":
        return ""
    run = report.runs.get(str(row["run_id"]))
    return run.tags.get(names.FAILURE, "") if run is not None else ""


def _cell(row: Mapping[str, Any], column: Column, ends: tuple[float, float] | None, decimals: int | None) -> Cell:
    name = column.name
    if name == _INTERVAL:
        return _interval_cell(ends)
    value = row[name]
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return Cell("")
    if name == "size_bytes":
        return Cell(f"{float(value) / 1024:.1f}", float(value))
    if name in _NUMBERS:
        how = _NUMBERS[name]
        if decimals is not None and name in _WITH_DECIMALS:
            how = f"{'+' if how.startswith('+') else ''}.{decimals}f"
        return Cell(f"{float(value):{how}}", float(value), _look(name, float(value), ends))
    return Cell(plain(value), float(value) if column.is_number else None)


def _interval_cell(ends: tuple[float, float] | None) -> Cell:
    if ends is None:
        return Cell("")
    low, high = ends
    return Cell(f"{low:+.4f} to {high:+.4f}{' ~' if low <= 0 <= high else ''}", float(low))


def _look(name: str, value: float, ends: tuple[float, float] | None) -> str:
    """Colour of a difference: that of noise where it is within it."""
    if not name.startswith("delta_") or value == 0:
        return ""
    if name == "delta_mean_iou" and ends is not None and ends[0] <= 0 <= ends[1]:
        return "noise"
    return "gain" if value > 0 else "loss"


def _choices(table: pd.DataFrame, shown: Sequence[str]) -> tuple[Choice, ...]:
    found = []
    for index, name in enumerate(shown):
        if name in (*settings_of(table), "training_kind", "status"):
            values = list(dict.fromkeys(plain(value) for value in table[name]))
            if 1 < len(values) <= _MOST_CHOICES:
                found.append(Choice(index, title(name), tuple(values)))
    return tuple(found)
