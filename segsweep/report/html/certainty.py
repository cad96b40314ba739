"""How sure the differences are, and what quantization-aware training gained, for a page."""

from dataclasses import dataclass

import pandas as pd

from segsweep.evaluation.bootstrap import is_noise
from segsweep.report.certainty import overall, verdicts
from segsweep.report.figures.class_heat_map import class_changes
from segsweep.report.formats.cells import cell_text, constant_settings, title
from segsweep.report.formats.certainty_markdown import seeds_of_several, seeds_shown
from segsweep.report.formats.report_input import ReportInput
from segsweep.report.gain import PARTS, quantization_aware_gain

_MOST_SENTENCES = 400
_GAIN_TITLES = {
    "finetune float32": "control float32",
    "finetune int8": "control int8",
    "interval": "95 % interval",
    "taught int8": "taught control int8",
    "by_teaching": "by teaching",
    "by_quantization": "by quantization",
}
_SCORES = ("int8", "finetune float32", "finetune int8", "qat_int8", "taught int8")
_GAINS = ("gain", *PARTS)


@dataclass(frozen=True)
class TextTable:
    """A table of finished cells; the first column names the rows."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Certainty:
    """A section of a page; empty where there is nothing to compare."""

    sentences: tuple[str, ...] = ()
    """Of each variant, and what to make of them."""
    each: tuple[str, ...] = ()
    """Of each difference."""
    left_out: int = 0
    """How many of these are not shown."""
    seeds: TextTable | None = None
    """Means over seeds, where there are several."""
    gain: TextTable | None = None
    """What quantization-aware training gained."""


def certainty(report: ReportInput) -> Certainty:
    """How sure the differences of a report are."""
    table, decimals = report.table, report.view.decimals
    if not len(table):
        return Certainty()
    each = verdicts(table)
    several = seeds_of_several(table)
    shown = {title(name): column for name, column in seeds_shown(several, decimals).items()} if len(several) else {}
    return Certainty(
        sentences=tuple(overall(table)),
        each=tuple(each[:_MOST_SENTENCES]),
        left_out=max(0, len(each) - _MOST_SENTENCES),
        seeds=_table("Over several seeds: mean ± standard deviation, and a paired test against float32", shown),
        gain=_gain(table, decimals),
    )


def class_table(report: ReportInput) -> TextTable | None:
    """The numbers of the heat map of classes, for those who cannot see it."""
    changes = class_changes(report.table, report.runs)
    if changes.empty:
        return None
    rows = tuple(
        (str(variant), *("" if pd.isna(value) else f"{value:+.2f}" for value in values))
        for variant, values in zip(changes.index, changes.to_numpy(), strict=True)
    )
    return TextTable("Change of IoU in points", ("variant", *map(str, changes.columns)), rows)


def _gain(table: pd.DataFrame, decimals: int | None) -> TextTable | None:
    gain = quantization_aware_gain(table)
    same = constant_settings(table)
    shown = {
        _GAIN_TITLES.get(name, title(name)): [
            cell_text("mean_iou" if name in _SCORES else "delta_mean_iou" if name in _GAINS else name, value, decimals)
            for value in gain[name]
        ]
        for name in gain.columns
        if name not in same and not str(name).endswith(("_low", "_high"))
    }
    if not gain["gain_low"].isna().all():
        ends = zip(gain["gain_low"], gain["gain_high"], strict=True)
        shown[_GAIN_TITLES["interval"]] = [_interval(low, high, decimals) for low, high in ends]
    return _table(
        "Mean IoU of qat_int8 against the int8 file of its control, a float fine-tune of the same budget",
        shown,
    )


def _interval(low: float, high: float, decimals: int | None) -> str:
    if low != low:
        return ""
    noise = " ~" if is_noise(low, high) else ""
    return f"{cell_text('delta_mean_iou', low, decimals)} to {cell_text('delta_mean_iou', high, decimals)}{noise}"


def _table(caption: str, columns: dict[str, list[str]]) -> TextTable | None:
    rows = tuple(zip(*columns.values(), strict=True))
    return TextTable(caption, tuple(columns), rows) if rows else None
