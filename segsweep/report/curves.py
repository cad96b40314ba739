"""The learning curves of a sweep's trainings, as a picture."""

import io
import json
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store

MOST_TRAININGS = 200
"""Of more, reading takes too long and nothing can be seen."""
_MOST_NAMES = 16
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#000000", "#f0e442")
"""Okabe and Ito's (2008), made for all kinds of colour vision; the two pale ones last."""
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


def curves_figure(trainings: Sequence[tuple[RunRecord, Sequence[dict[str, float]]]]) -> bytes:
    """A PNG: mean IoU and losses by epoch, a line a training; fine-tunes are dashed (QAT) or dotted (float).

    Works without a display.
    """
    figure = Figure(figsize=(11, 3.6), dpi=130, layout="constrained")
    panels: Any = figure.subplots(1, len(_PANELS))
    many = len(trainings) > _MOST_NAMES
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
                color=_COLOURS[places[origin] % len(_COLOURS)],
                linestyle=_STYLES.get(kind, "-"),
                linewidth=0.7 if many else 1.3, alpha=0.6 if many else 1,
                marker="." if len(values) < 3 else None,
                label=name,
            )  # fmt: skip
        panel.set_xlabel("epoch")
        panel.set_title(f"{label}, {split}", fontsize=9)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(labelsize=8)
    # Beyond so many, names would hide the lines.
    if trainings and not many:
        figure.legend(*panels[0].get_legend_handles_labels(), fontsize=7, frameon=False, loc="outside right center")
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": "segsweep"})
    return picture.getvalue()
