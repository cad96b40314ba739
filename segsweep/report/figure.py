"""Accuracy against size of a sweep's variants, as a picture."""

import io

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

_STYLES = {
    "float32": ("o", "#000000"),
    "float16": ("s", "#56b4e9"),
    "dynamic_range": ("^", "#009e73"),
    "weight_only_int8": ("v", "#0072b2"),
    "int8": ("D", "#d55e00"),
    "int16x8": ("P", "#cc79a7"),
    "qat_int8": ("*", "#e69f00"),
}
"""Marker and colour of each variant; the colours are Okabe and Ito's (2008), made for all kinds of colour vision."""


_MOST_LINES = 24


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def size_accuracy_figure(table: pd.DataFrame) -> bytes:
    """A PNG: mean IoU over file size, a point a variant, a thin line through those of one float training.

    The control's variants are hollow. Works without a display.
    """
    done = table[(table["status"] == "FINISHED") & table["mean_iou"].notna()]
    figure = Figure(figsize=(7.2, 4.4), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    settings = list(table.columns[: table.columns.get_loc("training_kind")])
    same = [name for name in settings if name != "quantization" and not name.startswith("quantization.")]
    floats = done[done["training_kind"] == "float"]
    trainings = floats.groupby(same, sort=False, dropna=False)
    # More than so many lines and names hide what they are about.
    for names, group in trainings if trainings.ngroups <= _MOST_LINES else ():
        line = group.sort_values("size_bytes")
        axes.plot(line["size_bytes"] / 1024, line["mean_iou"], color="0.8", linewidth=1, zorder=1)
        top = line.iloc[-1]
        varying = [
            f"{name.replace('learning_rate', 'rate')} {_short(value)}"
            for name, value in zip(same, names, strict=True)
            if table[name].nunique() > 1
        ]
        axes.annotate(
            ", ".join(varying), (top["size_bytes"] / 1024, top["mean_iou"]), xytext=(8, -9), textcoords="offset points",
            fontsize=7, color="0.35", va="center",
            ha="right",
        )  # fmt: skip
    for name, (marker, colour) in _STYLES.items():
        for kind, face in (("finetune", "none"), ("float", colour), ("qat", colour)):
            points = done[(done["quantization"] == name) & (done["training_kind"] == kind)]
            if len(points):
                axes.scatter(
                    points["size_bytes"] / 1024, points["mean_iou"], marker=marker, s=70 if marker == "*" else 36,
                    facecolors=face, edgecolors=colour, linewidths=1.2, zorder=3,
                    label=f"{name} (control)" if kind == "finetune" else name,
                )  # fmt: skip
    axes.set_xscale("log")
    axes.margins(x=0.14)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{_short(value)}")
    axes.set_xlabel("file size, KiB")
    axes.set_ylabel("mean IoU on the test split")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if len(done):
        axes.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": "segsweep"})
    return picture.getvalue()
