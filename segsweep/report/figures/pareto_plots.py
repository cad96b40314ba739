"""Scores against what they cost, with the variants that no other beats."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import Locator, LogLocator, MaxNLocator, NullLocator

from segsweep.report.figures.labels import place_labels
from segsweep.report.figures.style import COLUMN_INCHES, GREY, PAGE_INCHES, styled, variant_style
from segsweep.report.pareto import column_of, pareto_optimal
from segsweep.report.scored_images import images_of
from segsweep.report.trainings import training_labels

_CROWD = 200
"""More points are drawn small and pale."""
_MOST_NAMES = 12
"""Of more on a front, some have none."""
_FEWEST_TICKS = 3
SCORES = {"accuracy": "accuracy", "mean_iou": "mean IoU"}
"""Scores that a front may be of, by the objective's name: they are of the validation split, which chooses."""


@dataclass(frozen=True)
class Cost:
    """What a score is drawn against."""

    label: str
    scale: float
    """What the column is divided by for the axis."""


COSTS = {
    "size_bytes": Cost("file size, KiB", 1024.0),
    "latency_p50_ms": Cost("time for one image, ms", 1.0),
}


@styled
def pareto_figure(
    table: pd.DataFrame, cost: str, score: str, width: float = PAGE_INCHES, note: str = ""
) -> Figure | None:
    """A score over a cost, a point a variant, with the line of those that no other beats; None where none has both.

    The score is that of the validation split, by which one chooses. Where no variant has one, the test split is shown,
    without that line: a version before 0.2 scored these.

    Args:
        table: a comparison.
        cost: a column of `COSTS`.
        score: a column of `SCORES`.
        width: of the figure in inches.
        note: after the name of the cost, as the processor that latency was measured on.
    """
    finished = table[table["status"] == "FINISHED"]
    chooses = bool(finished[column_of(score)].notna().any())
    column, split = (column_of(score), "validation") if chooses else (score, "test")
    done = finished[finished[column].notna() & (finished[cost].astype(float) > 0)]
    if not len(done):
        return None
    x, y = done[cost].astype(float) / COSTS[cost].scale, done[column].astype(float)
    narrow = width < (COLUMN_INCHES + PAGE_INCHES) / 2
    figure = Figure(figsize=(width, 3.3 if narrow else 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xscale("log")
    crowd = len(done) > _CROWD
    for place, name in enumerate(dict.fromkeys(table["quantization"])):
        marker, colour = variant_style(str(name), place)
        for control in (False, True):
            chosen = (done["quantization"] == name) & ((done["training_kind"] == "finetune") == control)
            if chosen.any():
                axes.scatter(
                    x[chosen], y[chosen], marker=marker, s=(52 if marker == "*" else 22) * (0.35 if crowd else 1),
                    alpha=0.5 if crowd else 1,
                    facecolors="none" if control else colour, edgecolors=colour, linewidths=0.3 if crowd else 0.9,
                    zorder=3, label=f"{name}, control" if control else str(name),
                )  # fmt: skip
    front: list[Any] = []
    corners: list[np.ndarray] = []
    # What is best on some test images says nothing about others.
    for _, rows in done.groupby(["data", images_of(done, split)], sort=False, dropna=False) if chooses else ():
        best = rows[pareto_optimal(rows, [score, cost])].sort_values(cost).drop_duplicates([cost, column]).index
        if len(best):
            line = _steps(x[best].to_numpy(), y[best].to_numpy())
            axes.plot(
                *line.T, color=GREY, linewidth=1, zorder=4 if crowd else 2, label="" if corners else "Pareto front"
            )
            corners.append(line)
            front += list(best)
    axes.margins(x=0.06, y=0.1)
    axes.xaxis.set_major_locator(_ticks(*axes.get_xlim()))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel(f"{COSTS[cost].label}{f' ({note})' if note else ''}")
    axes.set_ylabel(f"{SCORES[score]} on the {split} split")
    handles, labels = axes.get_legend_handles_labels()
    if narrow:
        figure.legend(handles, labels, loc="outside lower center", ncols=3, columnspacing=1.2, handletextpad=0.4)
    else:
        figure.legend(handles, labels, loc="outside right center", handletextpad=0.4)
    names = training_labels(table)
    if names.nunique() > 1:
        # The marker says which variant it is; of neighbours from one training, one says which training.
        named = [row for row, before in zip(front, [None, *front], strict=False) if names[row] != names.get(before)]
        labels = [(float(x[row]), float(y[row]), str(names[row])) for row in _some(named)]
        place_labels(axes, np.column_stack([x, y]), corners, labels)
    return figure


def _ticks(low: float, high: float) -> Locator:
    """Where numbers stand on a logarithmic axis: at 1, 2, 5, 10, ..., or more closely where few of these are on it."""
    usual = LogLocator(subs=(1, 2, 5))
    if sum(low <= each <= high for each in usual.tick_values(low, high)) >= _FEWEST_TICKS:
        return usual
    return MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10])


def _some(rows: list[Any]) -> list[Any]:
    """Rows spread over all of them, as many as have room for their names."""
    places = np.linspace(0, len(rows) - 1, min(len(rows), _MOST_NAMES))
    return [rows[round(place)] for place in places]


def _steps(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Corners (2 N - 1, 2) of the line below which whatever is beaten lies: right, then up."""
    return np.column_stack([np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]])
