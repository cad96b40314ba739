"""A sensitivity as text, as JSON and as a picture."""

import json
import math
from typing import Any

from matplotlib.figure import Figure
from tabulate import tabulate

from segsweep.candidates.sensitivity import ACTIVATIONS, BOTH, MODES, SPARED, WEIGHTS, LayerSensitivity, Sensitivity
from segsweep.candidates.trial import METRIC_WORDS
from segsweep.report.figures.style import COLOURS, PAGE_INCHES, styled

_HEADERS = (
    "layer", "operator", "weights", "images",
    "change: weights", "change: activations", "change: both", "change if spared",
    "same: weights", "same: activations", "same: both", "SNR alone, dB", "SNR in file, dB",
)  # fmt: skip
_MOST_BARS = 24
_WORDS = {WEIGHTS: "only its weights", ACTIVATIONS: "only its activations", BOTH: "both", SPARED: "all but this layer"}


def sensitivity_text(found: Sensitivity, metric: str) -> str:
    """A Markdown table, the most sensitive layer first, and what it rests on."""
    rows = [_row(found, each, metric) for each in found.layers]
    lines = [tabulate(rows, headers=_HEADERS, tablefmt="pipe", disable_numparse=True, stralign="right"), ""]
    for images in sorted(found.exact.keys() & found.quantized.keys()):
        exact, quantized = found.exact[images].score(metric), found.quantized[images].score(metric)
        alike = found.quantized[images].agreement
        lines.append(
            f"{METRIC_WORDS[metric]} on {images} validation images: float32 {exact:.4f}, all layers {found.target} "
            f"{quantized:.4f} ({quantized - exact:+.4f}; {alike:.4f} of all predictions alike)."
        )
    lines.append(
        "change: of it, when the layer alone is quantized; if spared: when it alone is left float32, against the file "
        "with all layers quantized."
    )
    for each in found.layers:
        lines += [f"{each.layer.label}, {_WORDS[mode]}: {failure}" for mode, failure in each.failures.items()]
    if not found.is_complete:
        lines.append("The time was over before all of it was tried; the same command again goes on from here.")
    return "\n".join(lines) + "\n"


def sensitivity_json(found: Sensitivity) -> bytes:
    """All that was found, for programs."""
    content: dict[str, Any] = {
        "target": found.target,
        "is_complete": found.is_complete,
        "float32": {str(images): _scores(trial) for images, trial in sorted(found.exact.items())},
        "quantized": {str(images): _scores(trial) for images, trial in sorted(found.quantized.items())},
        "layers": [
            {
                "name": each.layer.name,
                "operator": each.layer.weighted.kind,
                "weights": each.layer.weight_count,
                "choice": each.choice,
                "snr_alone_db": _finite(each.noise_alone_db),
                "snr_db": _finite(each.noise_db),
                "failures": dict(each.failures),
                **{mode: _scores(trial) for mode in MODES if (trial := each.trial(mode)) is not None},
            }
            for each in found.layers
        ],
    }
    return json.dumps(content, indent=1).encode()


@styled
def sensitivity_figure(found: Sensitivity, metric: str) -> Figure:
    """Bars by layer: what is lost when it alone is quantized, by weights, by activations and by both."""
    shown = found.layers[:_MOST_BARS]
    figure = Figure(figsize=(PAGE_INCHES, 1.0 + 0.32 * len(shown)), layout="constrained")
    losses, noise = figure.subplots(1, 2, sharey=True, width_ratios=[2.2, 1])
    for place, mode in enumerate((WEIGHTS, ACTIVATIONS, BOTH)):
        values = [found.drop(each, mode, metric) or 0.0 for each in shown]
        positions = [index + (place - 1) * 0.26 for index in range(len(shown))]
        losses.barh(positions, values, height=0.24, color=COLOURS[place], label=_WORDS[mode])
    losses.set_yticks(range(len(shown)), [each.layer.label for each in shown])
    losses.invert_yaxis()
    losses.set_xlabel(f"{METRIC_WORDS[metric]} lost by quantizing one layer to {found.target}")
    losses.legend(loc="lower right")
    for decibels, marker, words in (
        ([_finite(each.noise_alone_db) for each in shown], "o", "quantized alone"),
        ([_finite(each.noise_db) for each in shown], "s", "all quantized"),
    ):
        known = [(value, index) for index, value in enumerate(decibels) if value is not None]
        noise.plot(
            [value for value, _ in known], [index for _, index in known], marker, markersize=4, label=words,
            color=COLOURS[3] if marker == "o" else COLOURS[6],
        )  # fmt: skip
    noise.set_xlabel("signal to noise of its output, dB")
    noise.legend(loc="best")
    for axes in (losses, noise):
        axes.grid(axis="y", visible=False)
    return figure


def _row(found: Sensitivity, each: LayerSensitivity, metric: str) -> list[str]:
    trial = each.trial(BOTH)
    drops = [_signed(found.drop(each, mode, metric), -1) for mode in (WEIGHTS, ACTIVATIONS, BOTH)]
    same = [_share(each, mode) for mode in (WEIGHTS, ACTIVATIONS, BOTH)]
    return [
        each.layer.label, each.layer.weighted.kind, f"{each.layer.weight_count:,}",
        str(trial.images) if trial is not None else "", *drops, _signed(found.recovered(each, metric), 1), *same,
        _decibels(each.noise_alone_db), _decibels(each.noise_db),
    ]  # fmt: skip


def _signed(value: float | None, sign: int) -> str:
    return "" if value is None else f"{sign * value:+.4f}".replace("-0.0000", "+0.0000")


def _share(each: LayerSensitivity, mode: str) -> str:
    trial = each.trial(mode)
    return "" if trial is None else f"{trial.agreement:.4f}"


def _decibels(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _scores(trial: Any) -> dict[str, Any]:
    return {
        "images": trial.images,
        "agreement": trial.agreement,
        "accuracy": trial.score("accuracy"),
        "mean_iou": trial.score("mean_iou"),
        "size_bytes": trial.size_bytes,
    }
