"""Markdown, for people."""

import pandas as pd

from segsweep.evaluation.bootstrap import is_noise
from segsweep.report.formats.cells import (
    TEXTS,
    cell_text,
    columns_for_people,
    constant_settings,
    groups_of,
    objective_title,
    title,
)
from segsweep.report.formats.certainty_markdown import (
    certainty_markdown,
    reasons_markdown,
    seeds_of_several,
    seeds_shown,
)
from segsweep.report.formats.escaping import markdown_text
from segsweep.report.formats.report_input import ReportInput
from segsweep.report.gain import PARTS, quantization_aware_gain
from segsweep.report.references import reference_lines

_INTERVAL = "95 % interval"
_INTERVALS = {
    "delta_mean_iou": _INTERVAL,
    "delta_accuracy": f"{_INTERVAL}, accuracy",
    "gain_against_control": f"{_INTERVAL}, control",
}
"""What stands beside a column of differences."""


def to_markdown(report: ReportInput) -> str:
    """What people read: settings that are the same everywhere stand above the table, not in it."""
    table, view = report.table, report.view
    parts = [markdown_text(remark) for remark in table.attrs.get("remarks", ())]
    if not len(table):
        return "\n\n".join(parts or ["There are no rows."]) + "\n"
    same = constant_settings(table) if view.columns is None else []
    columns = view.in_groups(columns_for_people(table))
    if same:
        parts.append(", ".join(f"{_head(name)} {_cell(name, table[name].iloc[0])}" for name in same) + ":")
    for name, rows in groups_of(table, view.group_by):
        if name:
            parts.append(f"### {markdown_text(name)}")
        parts.append(_markdown(_shown(rows, columns, view.decimals, table.attrs)))
    parts += [markdown_text(line) for line in reference_lines(table, view.decimals)]
    reasons = reasons_markdown(table)
    if reasons:
        parts.append(reasons)
    if table.attrs.get("pareto_optimal"):
        parts.append(f"`*`: Pareto-optimal in {', '.join(map(objective_title, table.attrs['objectives']))}.")
    if any("~" in text for name in _INTERVALS if name in columns for text in _intervals(table, table.attrs, name)):
        parts.append("`~`: the difference is within noise.")
    if view.columns is None:
        parts += _certainty(table, same, view.decimals)
    return "\n\n".join(parts) + "\n"


def _certainty(table: pd.DataFrame, same: list[str], decimals: int | None) -> list[str]:
    """What stands beneath the table: the gain of quantization-aware training, the seeds, and what is sure."""
    parts = []
    gain = quantization_aware_gain(table)
    if len(gain):
        parts.append(_gain_markdown(gain.drop(columns=[name for name in same if name in gain]), decimals))
    seeds = seeds_of_several(table)
    if len(seeds):
        shown = {
            name: [markdown_text(text) for text in column] for name, column in seeds_shown(seeds, decimals).items()
        }
        parts.append("Over several seeds, mean ± standard deviation:\n\n" + _markdown(shown))
    sure = certainty_markdown(table)
    return [*parts, sure] if sure else parts


def _shown(rows: pd.DataFrame, columns: list[str], decimals: int | None, attrs: dict) -> dict[str, list[str]]:
    """Columns of cells as people read them, by name; the interval stands beside its difference."""
    shown = {name: [_cell(name, value, decimals) for value in rows[name]] for name in columns}
    if attrs.get("pareto_optimal"):
        shown = {"": ["*" if run in attrs["pareto_optimal"] else "" for run in rows["run_id"]], **shown}
    found: dict[str, list[str]] = {}
    for name, cells in shown.items():
        found[name] = cells
        if name in _INTERVALS:
            found[_INTERVALS[name]] = _intervals(rows, attrs, name, decimals)
    return found


def _markdown(shown: dict[str, list[str]]) -> str:
    cells = pd.DataFrame({_head(name): column for name, column in shown.items()})
    alignment = tuple("left" if name in TEXTS else "right" for name in shown)
    return cells.to_markdown(index=False, disable_numparse=True, colalign=alignment)


def _gain_markdown(gain: pd.DataFrame, decimals: int | None) -> str:
    kinds = {"int8": "mean_iou", "finetune float32": "mean_iou", "finetune int8": "mean_iou", "qat_int8": "mean_iou"}
    kinds["gain"] = "delta_mean_iou"
    kinds |= {"taught int8": "mean_iou", **dict.fromkeys(PARTS, "delta_mean_iou")}
    columns = [name for name in gain.columns if not str(name).endswith(("_low", "_high"))]
    shown = {name: [_cell(kinds.get(name, name), value, decimals) for value in gain[name]] for name in columns}
    ends = list(zip(gain["gain_low"], gain["gain_high"], strict=True))
    if any(low == low for low, _ in ends):
        shown[_INTERVAL] = [_interval(low, high, decimals) for low, high in ends]
    words = (
        "What quantization-aware training gained, in mean IoU: `qat_int8` against the int8 file of a float fine-tune "
        "of the same budget."
    )
    if PARTS[0] in gain:
        words += (
            " Of fine-tunes with a teacher, two parts make the gain: `by_teaching`, what the float fine-tune that is "
            "taught alike (`taught int8`) gained, and `by_quantization`, what `qat_int8` gained against that one."
        )
    return words + "\n\n" + _markdown(shown)


def _intervals(rows: pd.DataFrame, attrs: dict, name: str, decimals: int | None = None) -> list[str]:
    """Where each difference of a column lies, with `~` where 0 is among it."""
    known, nothing = attrs.get(name, {}), (float("nan"), float("nan"))
    return [_interval(low, high, decimals) for low, high in (known.get(run_id, nothing) for run_id in rows["run_id"])]


def _interval(low: float, high: float, decimals: int | None) -> str:
    if low != low:
        return ""
    ends = (cell_text("delta_mean_iou", end, decimals) for end in (low, high))
    return " to ".join(ends) + (" ~" if is_noise(low, high) else "")


def _cell(name: str, value: object, decimals: int | None = None) -> str:
    return markdown_text(cell_text(name, value, decimals))


def _head(name: str) -> str:
    return markdown_text(title(name))
