"""A band audit as text, CSV, JSON and a picture."""

import csv
import io
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from tabulate import tabulate

from segsweep.candidates.bands.advice import setting
from segsweep.candidates.bands.audit import Audit, Tried
from segsweep.candidates.bands.statistics import PERCENTILES, BandStatistics
from segsweep.candidates.trial import METRIC_WORDS, METRICS
from segsweep.report.figures.style import COLOURS, GREY, PAGE_INCHES, styled

_ABOVE: Any = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0)}
_LOW, _HIGH = PERCENTILES.index(1.0), PERCENTILES.index(99.0)


def bands_text(found: Audit, metric: str) -> str:
    """A Markdown table of the bands, the coarsest first."""
    best = found.best(metric)
    changed = best is not found.tried[0]
    headers = ["band", "stored", "1 % to 99 %", "normalized", "1 % to 99 %", "clipped", "codes", "bits", "SNR, dB", ""]
    headers += [f"bits: {best.name}", ""] if changed else []
    headers += ["clipped in test"] if found.test is not None else []
    grid, other, test = found.training.grids[0], found.grid_of(best), found.test
    words, others = found.verdicts(grid), found.verdicts(other)
    rows = []
    for band in order(found):
        low, high = found.training.low[band], found.training.high[band]
        inner = found.training.percentiles[[_LOW, _HIGH], band]
        row = [
            found.names[band], _span(low, high), _span(*inner),
            _span(*_normalized(found, band, [low, high])), _span(*_normalized(found, band, inner)),
            f"{grid.clipped[band]:.2%}", str(grid.codes[band]), f"{grid.bits[band]:.1f}",
            _decibels(grid.signal_to_noise[band]), words[band],
        ]  # fmt: skip
        row += [f"{other.bits[band]:.1f}", others[band]] if changed else []
        row += [f"{test.grids[0].clipped[band]:.2%}"] if test is not None else []
        rows.append(row)
    table = tabulate(rows, headers=headers, tablefmt="pipe", disable_numparse=True, stralign="right")
    return (
        f"{table}\n\nOf {found.training.images} training images. codes: integers of the int8 input between a band's "
        "1st and 99th percentile; bits: their logarithm; clipped: share of the values beyond the input's ends; SNR: "
        f"variance over squared error. lost: below {found.least_bits:g} bits.\n"
    )


def files_text(found: Audit, metric: str) -> str:
    """A Markdown table of the files that were made of the same weights."""
    rows = [["float32", f"{found.exact_score(metric):.4f}", "", "", "", ""]]
    for each in found.tried:
        change = each.change(metric, found.exact)
        lost = found.verdicts(found.grid_of(each)).count("lost")
        rows.append(
            [
                each.name, f"{each.score(metric):.4f}",
                f"{each.score(metric) - found.exact_score(metric):+.4f}",
                "" if change is None else f"{change.low:+.4f} to {change.high:+.4f}",
                f"{each.agreement:.4f}", str(lost),
            ]
        )  # fmt: skip
    headers = ("file", METRIC_WORDS[metric], "change", "95 % interval", "as float32", "bands lost")
    table = tabulate(rows, headers=headers, tablefmt="pipe", disable_numparse=True, stralign="right")
    lines = [
        table,
        "",
        f"On {len(found.exact)} validation images, of the same weights, without training. as float32: share of the "
        f"predictions. Clipping keeps {found.percentile:g} % of the values. Where a file's name does not say, the "
        f"ranges of activations are those of the run: {found.tried[0].file.problem.choice}.",
    ]
    if found.refusal is not None:
        lines.append(f"Bands were not rescaled: {found.refusal}.")
    return "\n".join(lines) + "\n"


def order(found: Audit) -> list[int]:
    """The bands, the one with the fewest bits first; of equal ones the noisier."""
    grid = found.training.grids[0]
    noise = np.nan_to_num(grid.signal_to_noise, nan=np.inf)
    return [int(band) for band in np.lexsort((noise, grid.codes))]


def bands_csv(found: Audit) -> bytes:
    """A row for each band."""
    rows = _bands(found)
    text = io.StringIO()
    writer = csv.DictWriter(
        text, [key for key in rows[0] if key != "files"], extrasaction="ignore", lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def bands_json(found: Audit, metric: str) -> bytes:
    """All that was found, for programs."""
    content: dict[str, Any] = {
        "training_images": found.training.images,
        "validation_images": len(found.exact),
        "percentile": found.percentile,
        "least_bits": found.least_bits,
        "not_rescaled": found.refusal,
        "best": found.best(metric).name,
        "float32": {name: found.exact_score(name) for name in METRICS},
        "files": [_file(found, each) for each in found.tried],
        "bands": _bands(found),
    }
    return json.dumps(content, indent=1).encode()


@styled
def bands_figure(found: Audit, metric: str) -> Figure:
    """By band: what the images hold beside what the input can take, and the bits that are left of it."""
    bands, best = order(found), found.best(metric)
    figure = Figure(figsize=(PAGE_INCHES, 1.2 + 0.28 * len(bands)), layout="constrained")
    values, bits = figure.subplots(1, 2, sharey=True, width_ratios=[2.2, 1])
    places = range(len(bands))
    low, high = found.normalized(found.training.low)[bands], found.normalized(found.training.high)[bands]
    inner = found.normalized(found.training.percentiles)[:, bands]
    values.hlines(places, low, high, color=GREY, linewidth=1.2, label="all values")
    values.hlines(places, inner[_LOW], inner[_HIGH], color=COLOURS[0], linewidth=5, label="1 % to 99 %")
    ends = [float(end[0]) for end in found.tried[0].grid.ends]
    values.axvspan(*ends, color=COLOURS[1], alpha=0.12, linewidth=0, label="what int8 can take")
    linear = max(float(np.abs(inner).max()), 1e-6)
    values.set_xscale("symlog", linthresh=linear)
    ticks = _ticks(linear, float(low.min()), float(high.max()))
    values.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    values.set_xticks([], minor=True)
    values.set_xlabel("normalized value (linear in the middle, logarithmic outside)")
    values.set_yticks(places, [found.names[band] for band in bands])
    values.invert_yaxis()
    values.legend(**_ABOVE, ncols=3)
    shown = [found.tried[0], *([best] if best is not found.tried[0] else [])]
    for number, each in enumerate(shown):
        offset = (number - (len(shown) - 1) / 2) * 0.36
        heights = found.grid_of(each).bits[bands]
        bits.barh([place + offset for place in places], heights, height=0.34, color=COLOURS[3 * (1 - number)],
                  label=each.name)  # fmt: skip
    bits.axvline(found.least_bits, color=GREY, linewidth=1, linestyle="--", label="lost below")
    bits.set_xlim(0, 8)
    bits.set_xlabel("bits of 8 that are left")
    bits.legend(**_ABOVE)
    for axes in (values, bits):
        axes.grid(axis="y", visible=False)
    return figure


def _ticks(linear: float, low: float, high: float) -> list[float]:
    """0, one in the linear part, and outwards 1, 2 and 5 times the powers of ten as far as there are values."""
    powers = range(math.floor(math.log10(linear)) - 1, math.ceil(math.log10(max(-low, high, linear))) + 1)
    steps = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
    return [0.0] + [tick for step in steps if step >= 0.4 * linear for tick in (-step, step) if low <= tick <= high]


def _normalized(found: Audit, band: int, values: Sequence[float] | np.ndarray) -> np.ndarray:
    return (np.asarray(values, np.float64) - found.mean[band]) / found.std[band]


def _bands(found: Audit) -> list[dict[str, Any]]:
    words = found.verdicts(found.training.grids[0])
    rows = []
    for band in order(found):
        row: dict[str, Any] = {
            "band": found.names[band],
            "verdict": words[band],
            "mean": float(found.mean[band]),
            "std": float(found.std[band]),
            **_spans(found, found.training, band, ""),
            "clipped": float(found.training.grids[0].clipped[band]),
            "codes": int(found.training.grids[0].codes[band]),
            "bits": float(found.training.grids[0].bits[band]),
            "snr_db": _finite(found.training.grids[0].signal_to_noise[band]),
        }
        if found.test is not None:
            row |= _spans(found, found.test, band, "test_")
            row["test_clipped"] = float(found.test.grids[0].clipped[band])
        row["files"] = {
            each.name: {
                "factor": float(each.file.factors[band]),
                "clipped": float(grid.clipped[band]),
                "bits": float(grid.bits[band]),
                "snr_db": _finite(grid.signal_to_noise[band]),
            }
            for each, grid in zip(found.tried, found.training.grids, strict=True)
        }
        rows.append(row)
    return rows


def _spans(found: Audit, statistics: BandStatistics, band: int, prefix: str) -> dict[str, float]:
    values = {"lowest": float(statistics.low[band])}
    values |= {
        f"p{percent:g}": float(value)
        for percent, value in zip(PERCENTILES, statistics.percentiles[:, band], strict=True)
    }
    values["highest"] = float(statistics.high[band])
    normalized = _normalized(found, band, list(values.values()))
    return {f"{prefix}{name}": value for name, value in values.items()} | {
        f"{prefix}normalized_{name}": float(value) for name, value in zip(values, normalized, strict=True)
    }


def _file(found: Audit, each: Tried) -> dict[str, Any]:
    grid, changes = each.grid, {metric: each.change(metric, found.exact) for metric in METRICS}
    return {
        "name": each.name,
        "setting": setting(each.file.remedy, found.percentile) or None,
        "size_bytes": len(each.file.content),
        "input_scale": grid.scale,
        "input_zero_point": grid.zero_point,
        "agreement": each.agreement,
        **{metric: each.score(metric) for metric in METRICS},
        **{f"{metric}_interval": [change.low, change.high] for metric, change in changes.items() if change is not None},
    }


def _span(low: float, high: float) -> str:
    return f"{low:.5g} to {high:.5g}"


def _decibels(value: float) -> str:
    return f"{value:.1f}" if math.isfinite(value) else ""


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
