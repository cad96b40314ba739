"""Markdown, for people."""

from collections.abc import Mapping

import pandas as pd

from segsweep.report.comparison import quantization_aware_gain
from segsweep.report.formats.report_input import ReportInput

_TITLES = {
    "learning_rate": "rate",
    "training_kind": "training",
    "quantization": "variant",
    "accuracy": "accuracy",
    "mean_iou": "mean IoU",
    "delta_accuracy": "Δ accuracy",
    "delta_mean_iou": "Δ mean IoU",
    "agreement": "agreement",
    "size_bytes": "KiB",
    "size_ratio": "size",
    "latency_p50_ms": "ms",
}
_ALWAYS = ("quantization", "training_kind", "accuracy", "mean_iou", "delta_mean_iou", "agreement", "size_bytes")
_HIDDEN = ("mean_dice", "delta_accuracy", "train_s", "run_id")
_NUMBERS: Mapping[str, str] = {
    "accuracy": "{:.4f}",
    "mean_iou": "{:.4f}",
    "delta_mean_iou": "{:+.4f}",
    "agreement": "{:.4f}",
    "size_ratio": "{:.0%}",
    "latency_p50_ms": "{:.2f}",
}


def to_markdown(report: ReportInput) -> str:
    """What people read: settings that are the same everywhere stand above the table, not in it."""
    table = report.table
    settings = list(table.columns[: table.columns.get_loc("training_kind")])
    same = [name for name in settings if name not in _ALWAYS and table[name].nunique(dropna=False) <= 1]
    shown = pd.DataFrame(index=table.index)
    for name in table.columns:
        if name in same or name in _HIDDEN or (name == "status" and set(table[name]) <= {"FINISHED"}):
            continue
        if name not in _ALWAYS and name not in settings and table[name].isna().all():
            continue
        shown[_TITLES.get(name, name)] = [_cell(name, value) for value in table[name]]
        if name == "delta_mean_iou":
            shown["95 % interval"] = _intervals(table)
    parts = [shown.to_markdown(index=False, disable_numparse=True, colalign=_alignment(shown))]
    if table.attrs.get("pareto_optimal"):
        shown.insert(0, "", ["*" if run in table.attrs["pareto_optimal"] else "" for run in table["run_id"]])
        parts = [shown.to_markdown(index=False, disable_numparse=True, colalign=_alignment(shown))]
        parts.append(f"`*`: Pareto-optimal in {', '.join(table.attrs['objectives'])}.")
    if any("~" in text for text in _intervals(table)):
        parts.append("`~`: the difference is within noise (paired bootstrap over the test images).")
    if same:
        parts.insert(0, ", ".join(f"{_TITLES.get(name, name)} {_plain(table[name].iloc[0])}" for name in same) + ":")
    gain = quantization_aware_gain(table)
    if len(gain):
        parts.append(_gain_markdown(gain.drop(columns=[name for name in same if name in gain])))
    return "\n\n".join(parts) + "\n"


def _gain_markdown(gain: pd.DataFrame) -> str:
    scores = ["int8", "finetune float32", "finetune int8", "qat_int8"]
    shown = pd.DataFrame(index=gain.index)
    for name in gain.columns:
        number = "{:+.4f}" if name == "gain" else "{:.4f}" if name in scores else None
        shown[_TITLES.get(name, name)] = [
            number.format(value) if number and pd.notna(value) else _plain(value) for value in gain[name]
        ]
    words = (
        "What quantization-aware training gained, in mean IoU: `qat_int8` against the int8 file of a float fine-tune "
        "of the same budget."
    )
    return words + "\n\n" + shown.to_markdown(index=False, disable_numparse=True, colalign=_alignment(shown))


def _intervals(table: pd.DataFrame) -> list[str]:
    """Where each difference lies, with `~` where 0 is among it."""
    texts = []
    for run_id in table["run_id"]:
        low, high = table.attrs["delta_mean_iou"].get(run_id, (float("nan"), float("nan")))
        noise = " ~" if low <= 0 <= high else ""
        texts.append(f"{low:+.4f} to {high:+.4f}{noise}" if low == low else "")
    return texts


def _cell(name: str, value: object) -> str:
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return ""
    if name == "size_bytes":
        return f"{float(str(value)) / 1024:.1f}"
    return _NUMBERS[name].format(value) if name in _NUMBERS else _plain(value)


def _plain(value: object) -> str:
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _alignment(shown: pd.DataFrame) -> tuple[str, ...]:
    texts = {"data", "model", "variant", "training", "status"}
    return tuple("left" if name in texts else "right" for name in shown.columns)
