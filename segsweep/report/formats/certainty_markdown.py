"""How sure a comparison is, and what is missing of it, in Markdown."""

import pandas as pd

from segsweep.report.certainty import overall
from segsweep.report.formats.cells import cell_text, settings_of
from segsweep.report.formats.escaping import markdown_text
from segsweep.report.reasons import reasons_of
from segsweep.report.seeds import seed_summary
from segsweep.report.trainings import training_labels

_MOST_NAMED = 4
"""Rows that are named for one reason."""


def certainty_markdown(table: pd.DataFrame) -> str:
    """What the differences of a comparison are worth, a sentence a line; empty where there is nothing to say."""
    sentences = overall(table)
    if not sentences:
        return ""
    return "How sure is it?\n\n" + "\n".join(f"- {markdown_text(sentence)}" for sentence in sentences)


def reasons_markdown(table: pd.DataFrame) -> str:
    """Why rows are not finished, a line a reason; empty where none has one."""
    rows: dict[tuple[str, str], list[str]] = {}
    labels = list(training_labels(table)) if len(table) else list[str]()
    for reason, status, name, label in zip(
        reasons_of(table), table["status"], table["quantization"], labels, strict=True
    ):
        if reason:
            rows.setdefault((str(status), reason), []).append(f"{name} ({label})" if label else str(name))
    lines = []
    for (status, reason), names in rows.items():
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        lines.append(markdown_text(f"{status} {', '.join(names[:_MOST_NAMED])}{more}: {reason}"))
    return "\n".join(f"- {line}" for line in lines)


def seeds_of_several(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the summary over seeds that rest on more than one."""
    summary = seed_summary(table)
    return summary[summary["n_seeds"] > 1]


def seeds_shown(summary: pd.DataFrame, decimals: int | None) -> dict[str, list[str]]:
    """The summary over seeds as columns of cells by their heads; settings that are the same everywhere are left out."""
    settings = [name for name in settings_of(summary) if name == "quantization" or summary[name].nunique() > 1]
    shown = {name: [cell_text(name, value) for value in summary[name]] for name in [*settings, "training_kind"]}
    shown["seeds"] = [str(count) for count in summary["n_seeds"]]
    for score in ("accuracy", "mean_iou", "delta_mean_iou"):
        means, spreads = summary[f"{score}_mean"], summary[f"{score}_std"]
        shown[score] = [
            f"{cell_text(score, mean, decimals)} ± {cell_text('mean_iou', spread, decimals)}" if mean == mean else ""
            for mean, spread in zip(means, spreads, strict=True)
        ]
    ends = zip(summary["delta_mean_iou_low"], summary["delta_mean_iou_high"], strict=True)
    is_tested = summary["p_value"].notna()
    shown["95 % interval"] = [
        f"{cell_text('delta_mean_iou', low, decimals)} to {cell_text('delta_mean_iou', high, decimals)}" if each else ""
        for (low, high), each in zip(ends, is_tested, strict=True)
    ]
    for head, name in (("p", "p_value"), ("p corrected", "p_corrected")):
        shown[head] = [f"{value:.2g}" if value == value else "" for value in summary[name]]
    return shown
