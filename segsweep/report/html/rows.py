"""The comparison as rows and columns of text for a page: what is shown, how it sorts, how it is marked."""

import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from segsweep.evaluation.bootstrap import is_noise
from segsweep.report.formats.cells import (
    TEXTS,
    cell_text,
    columns_for_people,
    constant_settings,
    is_difference,
    is_missing,
    objective_title,
    settings_of,
    title,
)
from segsweep.report.formats.report_input import ReportInput
from segsweep.report.pareto import pareto_optimal
from segsweep.report.reasons import reasons_of
from segsweep.report.trainings import training_labels

_FRONTS = (("mean_iou", "size_bytes"), ("mean_iou", "latency_p50_ms"))
"""What Pareto-optimal means where the sweep says nothing: mean IoU on the validation split and size, or latency."""
_FRONT_WORDS = {"size_bytes": "size", "latency_p50_ms": "latency"}
_MOST_CHOICES = 40
"""A column of more values is no list to choose from."""
_FIRST = "quantization"
"""The column that names the rows."""
INTERVAL = "interval"
_HINTS = {
    "accuracy": "share of the counted test pixels with the right class",
    "mean_iou": "intersection over union, mean over the classes that occur in the test masks, the same for every file",
    "validation_mean_iou": "the same on the validation images, by which segsweep best and Pareto marks choose",
    "delta_mean_iou": "against float32 of the same training",
    "agreement": "share of test pixels with the class that float32 predicts",
    "size_bytes": "size of the .tflite file",
    "size_ratio": "share of the size of float32",
    "latency_p50_ms": "median time of one image, one thread",
    "gain_against_control": "mean IoU against a float fine-tune of as many epochs, in the same form of file",
    "range": "rules of the ranges of integer activations, as quantization.calibration.range names them",
    "correction": "what was done to the weights before they became integers, as quantization.correction names it",
    "gzip_bytes": "size of the .tflite file after gzip",
    "sparsity": "share of the file's weights that is 0",
    "distinct_weights": "most different weights in a layer, of those that can be clustered",
}

_SHORT_TITLES = {"validation_mean_iou": "val. mean IoU"}
"""Of columns whose title would make the table too wide."""


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
    begins_part: bool
    """Whether it is of another training, or of another of the groups asked for, than the row before."""


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


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as plain dictionaries: looking at each through pandas takes far longer."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def best_rows(table: pd.DataFrame, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """The places of the finished variants with the highest mean IoU, one for each set of test images; no controls."""
    best: dict[object, int] = {}
    data = table.attrs.get("test_data", {})
    for place, row in enumerate(rows):
        if row["status"] != "FINISHED" or row["training_kind"] == "finetune" or is_missing(row["mean_iou"]):
            continue
        known = best.setdefault(data.get(row["run_id"]), place)
        if row["mean_iou"] > rows[known]["mean_iou"]:
            best[data.get(row["run_id"])] = place
    return list(best.values())


def page_table(report: ReportInput) -> Table:
    """The comparison of a report."""
    table = report.table
    rows = records(table)
    shown = _columns(report)
    columns = tuple(_column(table, name) for name in shown)
    fronts = _fronts(table)
    ends = table.attrs.get("delta_mean_iou", {})
    same = [(title(name), cell_text(name, rows[0][name])) for name in constant_settings(table) if rows]
    return Table(
        columns,
        tuple(
            Row(
                tuple(_cell(row, column, ends.get(row["run_id"]), report.view.decimals) for column in columns),
                tuple(marks),
                reason,
                begins_part,
            )
            for row, marks, reason, begins_part in zip(
                rows, _marks(table, rows, fronts), reasons_of(table), _parts(report), strict=True
            )
        ),
        tuple(_choices(table, rows, shown)),
        tuple((name, value) for name, value in same if value),
        tuple(" and ".join(map(_front_word, front)) for front in fronts),
    )


def _columns(report: ReportInput) -> list[str]:
    """Names of the columns, the one that names the rows first."""
    table, view = report.table, report.view
    shown = view.of(_with_validation(table))
    if view.columns is None:
        shown = [name for name in (_FIRST, *(each for each in shown if each != _FIRST)) if name not in view.removed]
    if "delta_mean_iou" in shown and table.attrs.get("delta_mean_iou"):
        shown.insert(shown.index("delta_mean_iou") + 1, INTERVAL)
    return shown


def _with_validation(table: pd.DataFrame) -> list[str]:
    """What people want to see, and the score by which one chooses, where there is one."""
    shown = columns_for_people(table)
    if table["validation_mean_iou"].notna().any() and "mean_iou" in shown:
        shown.insert(shown.index("mean_iou") + 1, "validation_mean_iou")
    return shown


def _parts(report: ReportInput) -> list[bool]:
    """For each row whether a part begins with it; the first begins none."""
    table, wanted = report.table, report.view.group_by
    keys = (
        list(zip(*(table[name].map(str) for name in wanted), strict=True)) if wanted else list(training_labels(table))
    )
    return [place > 0 and key != keys[place - 1] for place, key in enumerate(keys)]


def _column(table: pd.DataFrame, name: str) -> Column:
    if name == INTERVAL:
        return Column(name, "95 % interval", "of Δ mean IoU; ~ where 0 is in it", True)
    kinds = [isinstance(value, numbers.Real) for value in table[name] if not is_missing(value)]
    return Column(name, _SHORT_TITLES.get(name, title(name)), _HINTS.get(name, ""), name not in TEXTS and all(kinds))


def _fronts(table: pd.DataFrame) -> list[Sequence[str]]:
    wanted = table.attrs.get("objectives")
    return [wanted] if wanted else [front for front in _FRONTS if table[front[1]].notna().any()]


def _marks(table: pd.DataFrame, rows: Sequence[Mapping[str, Any]], fronts: Sequence[Sequence[str]]) -> list[list[Mark]]:
    found: list[list[Mark]] = [[] for _ in rows]
    for place in best_rows(table, rows):
        found[place].append(Mark("best", "best on test"))
    optimal: list[list[str]] = [[] for _ in rows]
    for front in fronts:
        what = ", ".join(_front_word(name) for name in front if name != "mean_iou" or len(front) == 1)
        for words, is_optimal in zip(optimal, pareto_optimal(table, front), strict=True):
            if is_optimal:
                words.append(what)
    for marks, row, found_in in zip(found, rows, optimal, strict=True):
        if found_in:
            marks.append(Mark("pareto", f"Pareto: {', '.join(found_in)}"))
        if row["training_kind"] == "finetune":
            marks.append(Mark("control", "control"))
    return found


def _front_word(objective: str) -> str:
    return _FRONT_WORDS.get(objective, objective_title(objective))


def _cell(row: Mapping[str, Any], column: Column, ends: tuple[float, float] | None, decimals: int | None) -> Cell:
    name = column.name
    if name == INTERVAL:
        if ends is None:
            return Cell("")
        low, high = (cell_text("delta_mean_iou", end, decimals) for end in ends)
        return Cell(f"{low} to {high}{' ~' if is_noise(*ends) else ''}", float(ends[0]))
    value = row[name]
    if is_missing(value):
        return Cell("")
    text = cell_text(name, value, decimals)
    return Cell(text, float(value), _look(name, float(value), ends)) if column.is_number else Cell(text)


def _look(name: str, value: float, ends: tuple[float, float] | None) -> str:
    """Colour of a difference: that of noise where it is within it."""
    if not is_difference(name) or value == 0:
        return ""
    if name == "delta_mean_iou" and ends is not None and is_noise(*ends):
        return "noise"
    return "gain" if value > 0 else "loss"


def _choices(table: pd.DataFrame, rows: Sequence[Mapping[str, Any]], shown: Sequence[str]) -> list[Choice]:
    found = []
    for index, name in enumerate(shown):
        if name in (*settings_of(table), "training_kind", "status"):
            values = tuple(dict.fromkeys(cell_text(name, row[name]) for row in rows))
            if 1 < len(values) <= _MOST_CHOICES:
                found.append(Choice(index, title(name), values))
    return found
