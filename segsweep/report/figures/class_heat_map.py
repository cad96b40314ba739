"""Which classes pay for quantization: the change of each one's IoU by variant."""

import json
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from segsweep.report.figures.style import PAGE_INCHES, styled
from segsweep.report.trainings import training_settings
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord

GAIN = "qat_int8 − int8, control"
_MOST_CLASSES = 40
_CELL_INCHES, _LETTER_INCHES, _MARGIN_INCHES = 0.32, 0.06, 2.1
_FEWEST_ROWS = 5
"""For fewer, the scale of colours would have no room for its numbers."""
_FLOAT32 = ("float", "float32")


@styled
def class_heat_map(table: pd.DataFrame, runs: Mapping[str, RunRecord], width: float = PAGE_INCHES) -> Figure | None:
    """The change of each class's IoU to the baseline, in points, by variant; None where there is none.

    Args:
        table: a comparison.
        runs: its runs by id, whose metrics hold the classes.
        width: of the figure in inches.
    """
    changes = class_changes(table, runs)
    if changes.empty:
        return None
    shown = changes.loc[:, _widest(changes)]
    limit = max(0.1, float(np.nanmax(np.abs(shown.to_numpy()))))
    numbers = len(shown.columns) * _CELL_INCHES < width - _MARGIN_INCHES
    upright = not _fit(shown.columns, width)
    below = max(len(str(name)) for name in shown.columns) * _LETTER_INCHES if upright else 0.0
    figure = Figure(figsize=(width, 1.1 + below + 0.22 * max(_FEWEST_ROWS, len(shown))), layout="constrained")
    axes = figure.add_subplot()
    picture = axes.imshow(shown, cmap="PuOr", vmin=-limit, vmax=limit, aspect="auto")
    axes.set_xticks(range(len(shown.columns)), shown.columns, rotation=90 if upright else 0)
    axes.set_yticks(range(len(shown)), shown.index)
    axes.grid(False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    # White lines between the cells.
    axes.set_xticks(np.arange(1, len(shown.columns)) - 0.5, minor=True)
    axes.set_yticks(np.arange(1, len(shown)) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1)
    axes.tick_params(which="minor", length=0)
    if numbers:
        for (row, column), value in np.ndenumerate(shown.to_numpy()):
            if np.isfinite(value):
                colour = "white" if abs(value) > 0.65 * limit else "#262626"
                axes.text(column, row, f"{value:+z.1f}", ha="center", va="center", fontsize=7, color=colour)
    bar = figure.colorbar(picture, ax=axes, fraction=0.04, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label(f"change of IoU, points{_averaged(changes)}")
    return figure


def class_changes(table: pd.DataFrame, runs: Mapping[str, RunRecord]) -> pd.DataFrame:
    """Change of IoU in points, rows variants, columns classes: to float32 of the same training, mean over trainings.

    The attribute `trainings` of the table is how many these are. The last row, where there is one, is what
    quantization-aware training gains over the int8 file of its control.
    """
    finished = table[table["status"] == "FINISHED"]
    scores = pd.DataFrame.from_dict({row: _of_classes(runs.get(run_id)) for row, run_id in finished["run_id"].items()},
                                    orient="index", dtype=float)  # fmt: skip
    if scores.empty:
        return scores
    rows: dict[str, list[pd.Series]] = {}
    values = scores.to_numpy()
    variants = list(zip(finished["training_kind"], finished["quantization"], strict=True))
    for places in finished.groupby(training_settings(finished), sort=False, dropna=False).indices.values():
        found: dict[tuple[str, str], list[int]] = {}
        for place in places:
            found.setdefault(variants[place], []).append(place)
        of = {each: pd.Series(_mean(values[rows_of]), scores.columns) for each, rows_of in found.items()}
        for (kind, variant), score in of.items():
            base = of[_FLOAT32] if _FLOAT32 in of else _baseline(finished.iloc[places], runs, scores.columns)
            if base is not None and (kind, variant) != _FLOAT32:
                name = f"{variant}, control" if kind == "finetune" else str(variant)
                rows.setdefault(name, []).append(score - base)
        if ("qat", "qat_int8") in of and ("finetune", "int8") in of:
            rows.setdefault(GAIN, []).append(of["qat", "qat_int8"] - of["finetune", "int8"])
    order = sorted(rows, key=lambda name: name == GAIN)
    changes = 100 * pd.DataFrame({name: pd.concat(rows[name], axis=1).mean(axis=1) for name in order}).T
    changes.attrs["trainings"] = max(map(len, rows.values()), default=0)
    return changes


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the rows of what is not NaN."""
    return values[0] if len(values) == 1 else pd.DataFrame(values).mean().to_numpy()


def _baseline(rows: pd.DataFrame, runs: Mapping[str, RunRecord], classes: pd.Index) -> pd.Series | None:
    """The scores of the baseline of rows of one training, where it is not among them."""
    run = next((runs[run_id] for run_id in rows["run_id"] if run_id in runs), None)
    baseline = runs.get(run.tags.get(names.BASELINE_RUN_ID, "")) if run is not None else None
    return pd.Series(_of_classes(baseline), dtype=float).reindex(classes) if baseline is not None else None


def _of_classes(run: RunRecord | None) -> dict[str, float]:
    """IoU by the name of the class; as its metric has it, where the run does not say."""
    if run is None:
        return {}
    start = f"{names.IOU}_"
    known = _class_names(run)
    return {
        known.get(name, name.removeprefix(start)): value
        for name, value in run.metrics.items()
        if name.startswith(start)
    }


def _class_names(run: RunRecord) -> dict[str, str]:
    """From the metric of a class to its name."""
    try:
        classes = json.loads(run.tags.get(names.CLASSES, "[]"))
    except ValueError:  # a tag that was cut
        return {}
    return dict(zip(names.class_metrics(names.IOU, classes), classes, strict=True))


def _averaged(changes: pd.DataFrame) -> str:
    trainings = changes.attrs["trainings"]
    return f"\nmean over {trainings} trainings" if trainings > 1 else ""


def _widest(changes: pd.DataFrame) -> list[str]:
    """The classes that change most, in their order."""
    most = changes.abs().max().nlargest(_MOST_CLASSES).index
    return [name for name in changes.columns if name in most]


def _fit(labels: pd.Index, width: float) -> bool:
    """Whether names fit side by side."""
    room = (width - _MARGIN_INCHES) / max(1, len(labels))
    return max(len(str(label)) for label in labels) * _LETTER_INCHES < room
