"""What each step down costs, training by training: float32 to int8, and int8 to quantization-aware training."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from segsweep.report.figures.pareto_plots import SCORES
from segsweep.report.figures.style import COLOURS, COLUMN_INCHES, GREY, PAGE_INCHES, styled
from segsweep.report.trainings import training_labels, training_settings

_STEPS = (
    ("as trained", (("float", "float32", "float32"), ("float", "int8", "int8"))),
    (
        "fine-tuned for the same budget",
        (
            ("finetune", "float32", "float32\n(control)"),
            ("finetune", "int8", "int8\n(control)"),
            ("qat", "qat_int8", "QAT int8"),
        ),
    ),
)
"""For each panel its title and its steps: training kind, variant and name. What quantization-aware training gains is
the last step of the second: from a float fine-tune of the same budget, not from the older float training."""


@styled
def slopes_figure(table: pd.DataFrame, score: str = "mean_iou", width: float = PAGE_INCHES) -> Figure | None:
    """A line a training through its steps; None where no training has two of them.

    Args:
        table: a comparison.
        score: a column of `SCORES`.
        width: of the figure in inches.
    """
    lines = _lines(_finished(table, score), score)
    if not lines:
        return None
    narrow = width < (COLUMN_INCHES + PAGE_INCHES) / 2
    figure = Figure(figsize=(width, 3.4 if narrow else 3.2), layout="constrained")
    # Where nothing was fine-tuned, there is no panel of fine-tunes.
    shown = [number for number in range(len(_STEPS)) if any(_is_known(values[number]) for _, values, _ in lines)]
    ratios = [len(_STEPS[number][1]) - 0.4 for number in shown]
    panels: Any = figure.subplots(1, len(shown), sharey=True, width_ratios=ratios, squeeze=False)[0]
    for panel, number in zip(panels, shown, strict=True):
        title, names = _STEPS[number]
        for place, (label, values, _) in enumerate(lines):
            line = values[number]
            known = [(step, value) for step, value in enumerate(line) if value is not None]
            named = place < len(COLOURS)
            panel.plot(
                [step for step, _ in known], [value for _, value in known],
                color=COLOURS[place] if named else GREY, alpha=1 if named else 0.5, linewidth=1.2 if named else 0.6,
                zorder=3 if named else 2,
                marker="o", markersize=3.5 if named else 2, label=label if named else "",
            )  # fmt: skip
        panel.set_xticks(range(len(names)), [name for _, _, name in names])
        panel.set_xlim(-0.3, len(names) - 0.65)
        panel.grid(axis="x", visible=False)
        panel.set_title(title)
    panels[0].set_ylabel(f"{SCORES[score]} on the test split")
    handles, labels = panels[0].get_legend_handles_labels()
    if len(lines) > len(COLOURS):
        handles.append(Line2D([], [], color=GREY, alpha=0.5, linewidth=0.6))
        labels.append(f"{len(lines) - len(COLOURS)} other trainings")
    figure.legend(handles, labels, loc="outside lower center", ncols=2 if narrow else 4)
    return figure


def lines_of(table: pd.DataFrame, score: str = "mean_iou") -> list[list[str]]:
    """The runs of each line of the figure, in the order in which the lines get their colours."""
    finished = _finished(table, score)
    return [finished["run_id"].iloc[places].tolist() for _, _, places in _lines(finished, score)]


def _finished(table: pd.DataFrame, score: str) -> pd.DataFrame:
    return table[(table["status"] == "FINISHED") & table[score].notna()]


def _is_known(values: Sequence[float | None]) -> bool:
    """Whether there is a step between two scores."""
    return sum(value is not None for value in values) > 1


def _lines(finished: pd.DataFrame, score: str) -> list[tuple[str, list[list[float | None]], np.ndarray]]:
    """For each float training its name, for each panel the scores of the steps, and its rows; the best training first.

    Of several variants of a step (as with several budgets), the mean.
    """
    labels = training_labels(finished)
    lines = []
    steps = list(zip(finished["training_kind"], finished["quantization"], finished[score].astype(float), strict=True))
    for places in finished.groupby(training_settings(finished), sort=False, dropna=False).indices.values():
        scores: dict[tuple[str, str], list[float]] = {}
        for kind, variant, value in (steps[place] for place in places):
            scores.setdefault((kind, variant), []).append(value)
        found = {step: float(np.mean(values)) for step, values in scores.items()}
        panels = [[found.get((kind, variant)) for kind, variant, _ in names] for _, names in _STEPS]
        if any(map(_is_known, panels)):
            lines.append((labels.iloc[places[0]], panels, np.asarray(places)))
    return sorted(lines, key=lambda line: -max(value for values in line[1] for value in values if value is not None))
