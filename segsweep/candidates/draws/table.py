"""How much the draw matters, as text, CSV, JSON and a picture."""

import csv
import io
import json
import math
from typing import Any

from matplotlib.figure import Figure
from tabulate import tabulate

from segsweep.candidates.draws.spread import VOTING_IMAGES, Drawn, Spread
from segsweep.candidates.trial import METRIC_WORDS, METRICS
from segsweep.evaluation.bootstrap import Interval
from segsweep.report.figures.style import COLOURS, GREY, PAGE_INCHES, styled

_HEADERS = (
    "choice", "samples", "range", "draws", "{metric}", "deviation", "lowest", "highest", "change",
    "unlike float32", "unlike another draw",
)  # fmt: skip
_NORMAL = 1.96
"""So many deviations on both sides hold 95 % of what is normally distributed."""
_AGAINST_TEST = ((0.5, "less than"), (2.0, "about as much as"), (math.inf, "more than"))
"""What is said of draws up to so many times as wide as the interval over the test images."""


def spread_text(found: Spread, metric: str, tested: Interval | None, test_images: int) -> str:
    """A Markdown table in the order of the settings, and what it says."""
    headers = [each.format(metric=METRIC_WORDS[metric]) for each in _HEADERS]
    rows = [_row(found, each, metric) for each in found.drawn]
    lines = [
        tabulate(rows, headers=headers, tablefmt="pipe", disable_numparse=True, stralign="right"),
        "",
        f"{METRIC_WORDS[metric]} of {found.target} files on {found.exact.images} validation images, over the draws of "
        f"the calibration images; float32 {found.exact.score(metric):.4f}. unlike: share of the predictions; another "
        f"draw: of the first {min(VOTING_IMAGES, found.exact.images)} images, the mean over all pairs of draws.",
        verdict(found, metric, tested, test_images),
    ]
    lines += [f"Some draws have no result: {each}" for each in found.failures]
    if not found.is_complete:
        lines.append("The time was over before all of it was tried; the same command again goes on from here.")
    return "\n".join(lines) + "\n"


def verdict(found: Spread, metric: str, tested: Interval | None, test_images: int) -> str:
    """Whether the draw matters more than the test images do, in a sentence or two.

    The draws are scored on other images than the interval is of, so only a factor of two is a difference.
    """
    several = [each for each in found.drawn if each.distinct > 1]
    if not several:
        return "Each setting has a single draw of its own: more seeds, or fewer samples, would say how much it matters."
    words = METRIC_WORDS[metric]
    best = max(found.drawn, key=lambda each: each.scores(metric).mean())
    ending = (
        f" The highest mean, {best.scores(metric).mean():.4f}, has quantization.calibration.choice="
        f"{best.setting.choice} quantization.calibration.samples={best.setting.samples} "
        f"quantization.calibration.range={best.setting.range}."
    )
    worst = max(several, key=lambda each: each.deviation(metric))
    drawn = _NORMAL * worst.deviation(metric)
    text = (
        f"Of the settings whose draws differ, {_named(worst)} moves {words} most: 95 % of its draws lie within "
        f"±{drawn:.4f}"
    )
    if tested is None:
        return f"{text}; the test images are too few for an interval to compare that with.{ending}"
    half = (tested.high - tested.low) / 2
    against = f"the paired 95 % interval of {found.target} against float32 on the {test_images} test images"
    times = drawn / half if half else math.inf
    weighed = next(words for most, words in _AGAINST_TEST if times <= most)
    return f"{text}, beside {against}, ±{half:.4f}: the draw matters {weighed} which images are tested.{ending}"


def spread_csv(found: Spread) -> bytes:
    """A row for each setting."""
    rows = [_values(found, each) for each in found.drawn]
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def spread_json(found: Spread, tested: dict[str, Interval | None]) -> bytes:
    """All that was found, with the score of each draw, for programs."""
    content: dict[str, Any] = {
        "target": found.target,
        "is_complete": found.is_complete,
        "images": found.exact.images,
        "float32": {metric: found.exact.score(metric) for metric in METRICS},
        "test_interval": {
            metric: None if each is None else [each.low, each.high] for metric, each in sorted(tested.items())
        },
        "settings": [
            _values(found, each) | {f"{metric}_by_draw": each.scores(metric).tolist() for metric in METRICS}
            for each in found.drawn
        ],
        "failures": list(found.failures),
    }
    return json.dumps(content, indent=1).encode()


@styled
def spread_figure(found: Spread, metric: str) -> Figure:
    """A row for each setting: a dot for each draw, a bar at their mean, and a line for float32."""
    figure = Figure(figsize=(PAGE_INCHES, 1.0 + 0.24 * len(found.drawn)), layout="constrained")
    axes = figure.subplots()
    ranges = list(dict.fromkeys(each.setting.range for each in found.drawn))
    for place, each in enumerate(found.drawn):
        scores = each.scores(metric)
        colour = COLOURS[ranges.index(each.setting.range) % len(COLOURS)]
        axes.plot(scores, [place] * len(scores), "o", markersize=3.5, alpha=0.6, color=colour)
        axes.plot([scores.mean()] * 2, [place - 0.35, place + 0.35], color=colour, linewidth=1.6)
    axes.axvline(found.exact.score(metric), color=GREY, linewidth=1, linestyle="--", label="float32")
    axes.set_yticks(range(len(found.drawn)), [_named(each) for each in found.drawn])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"{METRIC_WORDS[metric]} of {found.target} on validation images, a dot for each draw")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0))
    return figure


def _named(each: Drawn) -> str:
    return f"{each.setting.choice} {each.setting.samples} {each.setting.range}"


def _row(found: Spread, each: Drawn, metric: str) -> list[str]:
    scores = each.scores(metric)
    some = f"{len(scores)}, {each.distinct} different" if each.distinct > 1 else "1"
    draws = str(len(scores)) if each.distinct == len(scores) else some
    return [
        each.setting.choice, str(each.setting.samples), each.setting.range, draws, f"{scores.mean():.4f}",
        f"{each.deviation(metric):.4f}", f"{scores.min():.4f}", f"{scores.max():.4f}",
        f"{scores.mean() - found.exact.score(metric):+.4f}", f"{each.changed:.4f}",
        "" if each.unstable is None else f"{each.unstable:.4f}",
    ]  # fmt: skip


def _values(found: Spread, each: Drawn) -> dict[str, Any]:
    values: dict[str, Any] = {
        "choice": each.setting.choice,
        "samples": each.setting.samples,
        "range": each.setting.range,
        "draws": len(each.trials),
        "distinct_draws": each.distinct,
        "unlike_float32": each.changed,
        "unlike_another_draw": each.unstable,
    }
    for metric in METRICS:
        scores = each.scores(metric)
        values |= {
            f"{metric}_mean": float(scores.mean()),
            f"{metric}_deviation": each.deviation(metric),
            f"{metric}_lowest": float(scores.min()),
            f"{metric}_highest": float(scores.max()),
            f"{metric}_change": float(scores.mean()) - found.exact.score(metric),
        }
    return values
