"""The learning curves of a sweep's trainings, as a picture."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from segsweep.report.figures.style import COLOURS, COLUMN_INCHES, GREY, PAGE_INCHES, styled
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store

MOST_TRAININGS = 200
"""Of more, reading takes too long and nothing can be seen."""
_MOST_NAMES = 16
_WIDE = 10
"""How many times the median the largest loss may be on a plain axis."""
_STYLES: dict[str, Any] = {
    "float": "-",
    "qat": "--",
    "pruned": (0, (5, 1)),
    "clustered": (0, (3, 1, 1, 1)),
    "pqat": "-.",
    "cqat": (0, (3, 1, 1, 1, 1, 1)),
    "qat_int4": (0, (2, 1)),
    "qat_mixed": (0, (1, 1, 3, 1)),
    "finetune": ":",
}
_KINDS = {
    "float": "float",
    "qat": "quantization-aware",
    "pruned": "pruned",
    "clustered": "clustered",
    "pqat": "pruned, then quantization-aware",
    "cqat": "clustered, then quantization-aware",
    "qat_int4": "quantization-aware for 4-bit weights",
    "qat_mixed": "quantization-aware for a recipe",
    "finetune": "float fine-tune (control)",
}
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
    trainings: Sequence[tuple[RunRecord, Sequence[dict[str, float]]]],
    width: float = PAGE_INCHES,
    order: Sequence[str] = (),
) -> Figure | None:
    """Mean IoU and losses by epoch, a line a training; fine-tunes go on from it, dashed (QAT) or dotted (float).

    None where there is no training.

    Args:
        trainings: as :func:`histories` finds them.
        width: of the figure in inches.
        order: keys of float trainings in the order in which they get their colours; the others follow.
    """
    if not trainings:
        return None
    narrow = width < (COLUMN_INCHES + PAGE_INCHES) / 2
    lines = _lines(trainings)
    there = list(dict.fromkeys(line.origin for line in lines))
    ordered = list(dict.fromkeys([*order, *there]))
    colours = {origin: COLOURS[place % len(COLOURS)] for place, origin in enumerate(ordered)}
    starts = [origin for origin in ordered if origin in there]
    many = len(starts) > _MOST_NAMES
    height = len(_PANELS) * 1.6 if narrow else 2.1
    rows = 1 + (0 if many else -(-len(starts) // (2 if narrow else 4)))
    figure = Figure(figsize=(width, height + 0.16 * rows), layout="constrained")
    panels: Any = figure.subplots(*((len(_PANELS), 1) if narrow else (1, len(_PANELS))), sharex=narrow)
    for panel, (label, metric, split) in zip(panels, _PANELS, strict=True):
        for line in lines:
            values = [epoch.get(metric, float("nan")) for epoch in line.epochs]
            panel.plot(
                range(line.first, line.first + len(values)), values,
                color=colours[line.origin],
                linestyle=_STYLES.get(line.kind, "-"),
                linewidth=0.6 if many else 1.0, alpha=0.6 if many else 1,
                marker="." if len(values) < 3 else None,
            )  # fmt: skip
        panel.set_title(f"{label}, {split}")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        if metric.endswith("loss"):
            _show_all_sizes(panel, [epoch.get(metric) for line in lines for epoch in line.epochs])
    for panel in panels[-1:] if narrow else panels:
        panel.set_xlabel("epoch")
    # A fine-tune has the colour of what it starts from.
    handles = [
        Line2D([], [], color=GREY, linestyle=_STYLES[kind]) for kind in _STYLES if kind in {line.kind for line in lines}
    ]
    texts = [_KINDS[kind] for kind in _STYLES if kind in {line.kind for line in lines}]
    # Beyond so many, names would hide the lines.
    if not many:
        names_ = {line.origin: line.label for line in reversed(lines)}
        names_ |= {line.origin: line.label for line in lines if line.kind == "float"}
        handles = [Line2D([], [], color=colours[origin]) for origin in starts] + handles
        texts = [names_[origin] for origin in starts] + texts
    figure.legend(handles, texts, loc="outside lower center", ncols=2 if narrow else 4)
    return figure


@dataclass(frozen=True)
class _Line:
    """A training in the picture."""

    origin: str
    """Key of the float training that it is or starts from."""
    kind: str
    label: str
    first: int
    """The epoch it begins with: a fine-tune's first is behind the last of what it starts from."""
    epochs: Sequence[dict[str, float]]


def _lines(trainings: Sequence[tuple[RunRecord, Sequence[dict[str, float]]]]) -> list[_Line]:
    lengths = {run.tags.get(names.TRAINING_KEY, ""): len(epochs) for run, epochs in trainings}
    labels = labels_of([run for run, _ in trainings])
    return [
        _Line(
            run.tags.get(names.PARENT_TRAINING_KEY) or run.tags.get(names.TRAINING_KEY, ""),
            run.tags.get(names.TRAINING_KIND, ""),
            label.removesuffix(" float"),
            1 + lengths.get(run.tags.get(names.PARENT_TRAINING_KEY, ""), 0),
            epochs,
        )
        for (run, epochs), label in zip(trainings, labels, strict=True)
    ]


def _show_all_sizes(panel: Axes, losses: Sequence[float | None]) -> None:
    """A logarithmic axis where a few losses, as those of the first epochs, would press the others to the ground."""
    known = sorted(loss for loss in losses if loss is not None and loss == loss)
    if known and known[0] > 0 and known[-1] > _WIDE * known[len(known) // 2]:
        panel.set_yscale("log")
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_minor_locator(NullLocator())
        panel.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
