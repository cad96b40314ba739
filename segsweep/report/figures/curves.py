"""The learning curves of a sweep's trainings, as a picture."""

import json
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from segsweep.report.figures.style import COLOURS, COLUMN_INCHES, PAGE_INCHES, styled
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store

MOST_TRAININGS = 200
"""Of more, reading takes too long and nothing can be seen."""
_MOST_NAMES = 16
_STYLES = {"float": "-", "qat": "--", "finetune": ":"}
_NO_MATTER = ("sweep.", "tracking.", "quantization.")
"""Settings that tell no two trainings of a name apart."""
_PANELS = (
    ("mean IoU", "val/mean_iou", "validation"),
    ("loss", "val/loss", "validation"),
    ("loss", "train/loss", "training"),
)


def histories(store: Store, trainings: Sequence[RunRecord]) -> list[tuple[RunRecord, list[dict[str, float]]]]:
    """The metrics of each epoch of trainings, where they are there."""
    found = []
    for run in trainings[:MOST_TRAININGS]:
        content = store.artifacts.read(run, names.HISTORY_FILE)
        if content is not None:
            found.append((run, json.loads(content)))
    return found


def labels_of(runs: Sequence[RunRecord]) -> list[str]:
    """The names of runs, each with the settings that it differs in from others of the same name."""
    labels = []
    for run in runs:
        alike = [other.params for other in runs if other.name == run.name]
        varying = sorted(
            setting
            for setting in {name for params in alike for name in params}
            if not setting.startswith(_NO_MATTER) and len({params.get(setting) for params in alike}) > 1
        )
        labels.append(" ".join([run.name, *(f"{setting}={run.params.get(setting)}" for setting in varying)]))
    return labels


@styled
def curves_figure(
    trainings: Sequence[tuple[RunRecord, Sequence[dict[str, float]]]], width: float = PAGE_INCHES
) -> Figure | None:
    """Mean IoU and losses by epoch, a line a training; fine-tunes are dashed (QAT) or dotted (float).

    None where there is no training.

    Args:
        trainings: as :func:`histories` finds them.
        width: of the figure in inches.
    """
    if not trainings:
        return None
    narrow = width < (COLUMN_INCHES + PAGE_INCHES) / 2
    many = len(trainings) > _MOST_NAMES
    rows = 0 if many else -(-len(trainings) // (1 if narrow else 2))
    height = 3 * 1.7 if narrow else 2.2
    figure = Figure(figsize=(width, height + 0.14 * rows), layout="constrained")
    panels: Any = figure.subplots(*((len(_PANELS), 1) if narrow else (1, len(_PANELS))))
    # A fine-tune has the colour of what it starts from.
    origins = [run.tags.get(names.PARENT_TRAINING_KEY) or run.tags.get(names.TRAINING_KEY, "") for run, _ in trainings]
    labels = labels_of([run for run, _ in trainings])
    kinds = [run.tags.get(names.TRAINING_KIND, "") for run, _ in trainings]
    places = {key: place for place, key in enumerate(dict.fromkeys(origins))}
    for panel, (label, metric, split) in zip(panels, _PANELS, strict=True):
        for (_, epochs), origin, name, kind in zip(trainings, origins, labels, kinds, strict=True):
            values = [epoch.get(metric, float("nan")) for epoch in epochs]
            panel.plot(
                range(1, len(values) + 1), values,
                color=COLOURS[places[origin] % len(COLOURS)],
                linestyle=_STYLES.get(kind, "-"),
                linewidth=0.6 if many else 1.0, alpha=0.6 if many else 1,
                marker="." if len(values) < 3 else None,
                label=name,
            )  # fmt: skip
        panel.set_xlabel("epoch")
        panel.set_title(f"{label}, {split}")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    # Beyond so many, names would hide the lines.
    if not many:
        handles, texts = panels[0].get_legend_handles_labels()
        figure.legend(handles, texts, loc="outside lower center", ncols=1 if narrow else 2)
    return figure
