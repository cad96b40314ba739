"""How a comparison reads: which columns people want to see, what these are called, and how numbers are written."""

import math
import numbers
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from segsweep.durations import milliseconds
from segsweep.report.pareto import column_of

TITLES: Mapping[str, str] = {
    "learning_rate": "rate",
    "training_kind": "training",
    "quantization": "variant",
    "mean_iou": "mean IoU",
    "mean_dice": "mean Dice",
    "delta_accuracy": "Δ accuracy",
    "delta_mean_iou": "Δ mean IoU",
    "size_bytes": "KiB",
    "size_ratio": "size",
    "latency_p50_ms": "ms",
    "train_s": "train s",
    "peak_memory_bytes": "peak KiB",
    "arena_bytes": "arena KiB",
    "micro_arena_bytes": "Micro KiB",
    "macs": "million MACs",
    "gain_against_control": "Δ control",
    "gzip_bytes": "gzip KiB",
    "sparsity": "zeros",
    "distinct_weights": "distinct weights",
    "validation_accuracy": "validation accuracy",
    "validation_mean_iou": "validation mean IoU",
    "validation_mean_dice": "validation mean Dice",
    "validation_agreement": "validation agreement",
    "test_accuracy": "test accuracy",
    "test_mean_iou": "test mean IoU",
    "test_mean_dice": "test mean Dice",
}
"""What columns are called where people read; the others have their own name."""

TEXTS = ("data", "model", "quantization", "training_kind", "status", "run_id", "fits", "range", "correction")
"""Columns that hold text; the others hold numbers, or settings."""

_ALWAYS = ("quantization", "training_kind", "accuracy", "mean_iou", "delta_mean_iou", "agreement", "size_bytes")
_HIDDEN = ("mean_dice", "delta_accuracy", "train_s", "run_id")
_DIGITS = 4
_SCORES = (
    "accuracy", "mean_iou", "mean_dice", "agreement", "validation_accuracy", "validation_mean_iou",
    "validation_mean_dice", "validation_agreement",
)  # fmt: skip
_DIFFERENCES = ("delta_accuracy", "delta_mean_iou", "gain_against_control")
_SCORE_METRICS, _DIFFERENCE_METRICS = ("test/", "validation/", "agreement/"), ("delta/",)


def settings_of(table: pd.DataFrame) -> list[str]:
    """The columns that are settings."""
    return list(table.columns[: table.columns.get_loc("training_kind")])


def constant_settings(table: pd.DataFrame) -> list[str]:
    """Settings that are the same in all rows, but for those that are always of interest."""
    return [name for name in settings_of(table) if name not in _ALWAYS and table[name].nunique(dropna=False) == 1]


def columns_for_people(table: pd.DataFrame) -> list[str]:
    """The columns that people want to see: those that vary or were measured."""
    settings, same = settings_of(table), constant_settings(table)
    return [
        name
        for name in table.columns[: table.columns.get_loc("run_id")]
        if name not in same
        and name not in _HIDDEN
        and not (name == "status" and set(table[name]) <= {"FINISHED"})
        and (name in _ALWAYS or name in settings or not table[name].isna().all())
    ]


def objective_title(name: str) -> str:
    """What an objective is called where people read, with the split that it is of."""
    return title(name if name.startswith("test_") else column_of(name))


def title(name: str) -> str:
    """What a column is called where people read."""
    return TITLES.get(name, name)


def is_score(name: str) -> bool:
    """Whether a column holds scores between 0 and 1, or differences of such."""
    return name in _SCORES or name.startswith(_SCORE_METRICS) or is_difference(name)


def is_difference(name: str) -> bool:
    """Whether a column holds differences, which have a sign."""
    return name in _DIFFERENCES or name.startswith(_DIFFERENCE_METRICS)


def cell_text(name: str, value: object, decimals: int | None = None) -> str:
    """A cell as people read it; empty where there is nothing.

    Args:
        name: of the column.
        value: of the cell.
        decimals: digits after the point of scores and differences.
    """
    if is_missing(value):
        return ""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return str(value)
    number = float(value)
    digits = _DIGITS if decimals is None else decimals
    if is_difference(name):
        text = f"{number:+.{digits}f}"
        return text if float(text) else text.replace("-", "+")
    if is_score(name):
        return f"{number:.{digits}f}"
    measured = _MEASURED.get(name)
    if measured is not None:
        return measured(number)
    return str(value) if isinstance(value, numbers.Integral) else f"{number:g}"


_MEASURED: Mapping[str, Callable[[float], str]] = {
    "size_bytes": lambda value: f"{value / 1024:.1f}",
    "size_ratio": lambda value: f"{value:.0%}",
    "latency_p50_ms": milliseconds,
    "latency/p50_ms": milliseconds,
    "latency/p95_ms": milliseconds,
    "train_s": lambda value: f"{value:.1f}",
    "peak_memory_bytes": lambda value: f"{value / 1024:.1f}",
    "arena_bytes": lambda value: f"{value / 1024:.1f}",
    "micro_arena_bytes": lambda value: f"{value / 1024:.1f}",
    "macs": lambda value: f"{value / 1e6:.1f}",
    "gzip_bytes": lambda value: f"{value / 1024:.1f}",
    "sparsity": lambda value: f"{value:.3f}",
    "distinct_weights": lambda value: f"{value:.0f}",
}


def is_missing(value: object) -> bool:
    """Whether a cell holds nothing."""
    return (
        value is None
        or value is pd.NaT
        or value is pd.NA
        or value is pd.NA
        or (isinstance(value, float) and math.isnan(value))
    )


def groups_of(table: pd.DataFrame, columns: Sequence[str]) -> list[tuple[str, pd.DataFrame]]:
    """The rows parted by the values of columns, each part with a name for people: `width 8, rate 0.01`.

    Without columns the whole table, whose name is empty.
    """
    if not columns:
        return [("", table)]
    return [
        (", ".join(f"{title(name)} {cell_text(name, rows[name].iloc[0]) or '–'}" for name in columns), rows)
        for _, rows in table.groupby(list(columns), sort=False, dropna=False)
    ]
