"""Which rows and columns of a comparison are shown, and in which order, as the command line says it."""

import csv
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from segsweep.errors import SegsweepError
from segsweep.quantization.variants import VARIANTS
from segsweep.report.comparison_rows import METRIC_COLUMNS
from segsweep.report.formats.cells import is_missing
from segsweep.tracking.records import RunRecord

_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_CONDITION = re.compile(r"\s*([^=!<>]+?)\s*(<=|>=|!=|=|<|>)\s*(.*)", re.DOTALL)
_MOST_NAMED = 40
"""Of more values or columns, an error names only so many."""


@dataclass(frozen=True)
class Condition:
    """What a row must fulfil to be shown."""

    column: str
    sign: str
    """One of `=`, `!=`, `<`, `<=`, `>`, `>=`."""
    values: tuple[str, ...]
    """For `=` and `!=` any number of them, for the others one; an empty one stands for a cell that holds nothing."""
    written: str
    """As the user wrote it."""


def parse_condition(text: str) -> Condition:
    """A condition `COLUMN=VALUE[,VALUE]`, or with another sign; a value with a comma stands in double quotes.

    Raises:
        SegsweepError: it is not of that form.
    """
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise SegsweepError(f"--where {text}: no condition; write COLUMN=VALUE[,VALUE], or with != < <= > >=")
    column, sign, rest = match.groups()
    values = tuple(value.strip() for value in next(csv.reader([rest], skipinitialspace=True), []) or [""])
    if sign not in ("=", "!="):
        if len(values) != 1:
            raise SegsweepError(f"--where {text}: {sign} takes one number, and here are {len(values)}")
        if _number(values[0]) is None:
            raise SegsweepError(f"--where {text}: {sign} takes a number, which {values[0] or 'nothing'} is not")
    return Condition(column, sign, values, text)


def with_columns(table: pd.DataFrame, runs: Mapping[str, RunRecord], wanted: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """The table, with the metrics and settings of its runs among `wanted` as columns behind its own.

    Args:
        table: a comparison.
        runs: its runs by id.
        wanted: names of columns, each with the option that asks for it.

    Raises:
        SegsweepError: there is no such column, metric or setting.
    """
    added: dict[str, list[Any]] = {}
    for option, name in wanted:
        if name in table.columns or name in added:
            continue
        cells = [_cell(runs.get(run_id), name) for run_id in table["run_id"]]
        if all(cell is None for cell in cells):
            raise SegsweepError(
                f"{option} {name}: no such column; there are {_listed(table.columns)}, and every metric and setting "
                "that the runs have, as test/boundary_iou, latency/p95_ms or training.epochs"
            )
        added[name] = cells
    return table.assign(**added) if added else table


def chosen_rows(table: pd.DataFrame, conditions: Sequence[Condition]) -> pd.DataFrame:
    """The rows that fulfil all conditions.

    Raises:
        SegsweepError: a value is compared that no row has, or no row is left.
    """
    if not len(table):
        return table
    kept = pd.Series(True, index=table.index)
    for condition in conditions:
        cells = list(table[condition.column])
        if condition.sign in ("=", "!="):
            equal = [[_equal(cell, value) for cell in cells] for value in condition.values]
            for value, found in zip(condition.values, equal, strict=True):
                if not any(found) and condition.sign == "=":
                    there = dict.fromkeys("nothing" if is_missing(cell) else _written(cell) for cell in cells)
                    raise SegsweepError(
                        f"--where {condition.written}: no row has {condition.column} {value or 'empty'}; "
                        f"there are {_listed(list(there))}"
                    )
            fulfilled = [any(column) == (condition.sign == "=") for column in zip(*equal, strict=True)]
        else:
            limit = _number(condition.values[0])
            compare = _OPERATORS[condition.sign]
            fulfilled = [(number := _number(cell)) is not None and compare(number, limit) for cell in cells]
        kept &= pd.Series(fulfilled, index=table.index, dtype=bool)
    if not kept.any():
        raise SegsweepError(
            f"--where {' and '.join(condition.written for condition in conditions)}: no row of the {len(table)} "
            "is left; ask for less"
        )
    return table[kept]


def sorted_rows(table: pd.DataFrame, order: Sequence[tuple[str, bool]], group_by: Sequence[str]) -> pd.DataFrame:
    """The rows in order, those of a group together; equal ones stay as they were, and empty cells come last.

    Args:
        table: a comparison.
        order: names of columns with whether the largest comes first; the first column decides.
        group_by: columns by which rows stand together; groups come in the order of their first row.
    """
    rows = list(table.index)
    for name, descending in reversed(order):
        full = [row for row in rows if not is_missing(table.at[row, name])]
        empty = [row for row in rows if is_missing(table.at[row, name])]
        rows = sorted(full, key=lambda row: _rank(name, table.at[row, name]), reverse=descending) + empty
    places: dict[tuple[str, ...], int] = {}
    group = {row: tuple(str(table.at[row, name]) for name in group_by) for row in rows}
    for row in rows:
        places.setdefault(group[row], len(places))
    return table.loc[sorted(rows, key=lambda row: places[group[row]])].reset_index(drop=True)


def _rank(name: str, value: Any) -> tuple[int, Any]:
    if name == "quantization" and value in VARIANTS:
        return (0, list(VARIANTS).index(value))
    number = _number(value)
    return (1, number) if number is not None else (2, str(value))


def _equal(cell: Any, value: str) -> bool:
    if is_missing(cell) or not value:
        return is_missing(cell) and not value
    number, other = _number(cell), _number(value)
    return number == other if number is not None and other is not None else _written(cell) == value


def _written(cell: Any) -> str:
    return str(cell).lower() if isinstance(cell, bool) else f"{cell:g}" if isinstance(cell, float) else str(cell)


def _number(value: Any) -> float | None:
    """A cell or a word as a number; None where it is none."""
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if number == number else None


def _cell(run: RunRecord | None, name: str) -> Any:
    """A metric or a setting of a run; None where it has none."""
    if run is None:
        return None
    value = run.metrics.get(METRIC_COLUMNS.get(name, name), run.params.get(name))
    number = _number(value)
    return value if number is None or isinstance(value, float) else int(number) if number.is_integer() else number


def _listed(words: Any) -> str:
    words = [str(word) for word in words]
    more = f" and {len(words) - _MOST_NAMED} more" if len(words) > _MOST_NAMED else ""
    return ", ".join(words[:_MOST_NAMED]) + more
