"""What a search found, as text, as JSON and as a picture."""

import json
from typing import Any

from matplotlib.figure import Figure
from tabulate import tabulate

from segsweep.candidates.goal import Found, Tried, summary
from segsweep.candidates.trial import METRIC_WORDS, Trial
from segsweep.quantization.layers import Layer
from segsweep.quantization.recipe import Recipe
from segsweep.report.figures.style import COLOURS, GREY, PAGE_INCHES, styled, variant_style

_BY = {
    "upper": " at the upper end of its 95 % interval",
    "value": "",
    "pixels": ", counted as pixels that change their class,",
}


def front_text(found: Found) -> str:
    """A Markdown table of the files that no other one beats on validation images, the smallest first."""
    metric = found.goal.metric
    rows = [_row(found, each.trial, summary(each.recipe.layers), each == found.winner) for each in found.front]
    shown = {each.trial.size_bytes for each in found.front}
    for name, trial in found.plain.items():
        if trial.size_bytes not in shown:
            rows.append(_row(found, trial, f"{len(found.layers)} {name}", is_winner=False))
    headers = ("", "KiB", "of float32", "of int8", METRIC_WORDS[metric], "change", "at worst", "same pixels", "layers")
    table = tabulate(rows, headers=headers, tablefmt="pipe", disable_numparse=True, stralign="right")
    lines = [
        f"Files that no other beats, of {len(found.tried)} tried on {found.exact.images} validation images:",
        "",
        table,
        "",
        "at worst: the lower end of the change's 95 % interval. >: the choice.",
    ]
    if found.failures:
        lines.append(f"{len(found.failures)} candidates have no result; the first: {found.failures[0]}")
    if not found.is_complete:
        lines.append("The time was over before all of it was tried; the same command again goes on from here.")
    return "\n".join(lines) + "\n"


def layers_text(recipe: Recipe, layers: tuple[Layer, ...]) -> str:
    """What each layer of a file is, as a Markdown table."""
    rows = [[each.label, each.weighted.kind, f"{each.weight_count:,}", str(recipe.of(each.name))] for each in layers]
    headers = ("layer", "operator", "weights", "choice")
    return tabulate(rows, headers=headers, tablefmt="pipe", disable_numparse=True) + "\n"


def search_json(found: Found) -> bytes:
    """All that was tried, for programs."""
    front = found.front
    content = {
        "metric": found.goal.metric,
        "max_drop": found.goal.max_drop,
        "max_size": found.goal.max_size,
        "by": found.goal.by,
        "is_complete": found.is_complete,
        "images": found.exact.images,
        "tried": [
            {
                **_scores(each.trial),
                "recipe": each.recipe.as_dict(),
                "on_front": each in front,
                "is_winner": each == found.winner,
            }
            for each in found.tried
        ],
        "failures": list(found.failures),
    }
    return json.dumps(content, indent=1).encode()


@styled
def search_figure(found: Found) -> Figure:
    """Size against score of all files that were tried; the front is a line."""
    metric = found.goal.metric
    figure = Figure(figsize=(PAGE_INCHES, 3.6), layout="constrained")
    axes = figure.subplots()
    points = [(each.trial.size_bytes / 1024, each.trial.score(metric)) for each in found.tried]
    axes.plot([x for x, _ in points], [y for _, y in points], ".", color=GREY, markersize=3, label="tried")
    front = [(each.trial.size_bytes / 1024, each.trial.score(metric)) for each in found.front]
    axes.plot(
        [x for x, _ in front], [y for _, y in front], "-", color=COLOURS[0], drawstyle="steps-post", label="front"
    )
    for place, (name, trial) in enumerate(found.plain.items()):
        marker, colour = variant_style(name, place)
        axes.plot(trial.size_bytes / 1024, trial.score(metric), marker, color=colour, label=name)
    if found.winner is not None:
        trial = found.winner.trial
        axes.plot(trial.size_bytes / 1024, trial.score(metric), "*", color=COLOURS[4], markersize=11, label="chosen")
    if found.goal.max_drop is not None:
        axes.axhline(found.exact.score(metric) - found.goal.max_drop, color=GREY, linewidth=0.8, linestyle=":")
    if found.goal.max_size is not None:
        axes.axvline(found.goal.max_size / 1024, color=GREY, linewidth=0.8, linestyle=":")
    scores = sorted(y for _, y in points)
    # One that answers at random would press all others together.
    axes.set_ylim(max(scores[0], scores[len(scores) // 10] - 0.05), scores[-1] + 0.01)
    axes.set_xscale("log")
    sizes = [*(x for x, _ in points), *(trial.size_bytes / 1024 for trial in found.plain.values())]
    ticks = [value * 10**power for power in range(-1, 7) for value in (1, 2, 3, 5)]
    inside = [tick for tick in ticks if min(sizes) * 0.8 <= tick <= max(sizes) * 1.2]
    axes.set_xticks(inside, [f"{tick:g}" for tick in inside])
    axes.minorticks_off()
    axes.set_xlabel("size of the file, KiB")
    axes.set_ylabel(f"{METRIC_WORDS[metric]} on {found.exact.images} validation images")
    axes.legend(loc="lower right")
    return figure


def refusal(found: Found) -> str:
    """Why there is no winner: the nearest file, and what limits it."""
    goal, near = found.goal, found.nearest.trial
    drop = goal.drop(near, found.exact)
    at_worst = _BY[goal.by]
    if goal.max_size is not None:
        layers = ", ".join(f"{each.label} {each.weight_count:,}" for each in _largest(found.layers))
        return (
            f"--max-size: no file of these choices is so small; the nearest has {near.size_bytes / 1024:.1f} KiB, with "
            f"a drop of {near.drop(goal.metric, found.exact):.4f}; most weights are in {layers}: allow smaller "
            "--choices, or train a smaller model"
        )
    return (
        f"--max-drop: no smaller file of these choices keeps it; the nearest has {near.size_bytes / 1024:.1f} KiB and "
        f"a drop of {drop:.4f}{at_worst} on {near.images} images; {_limit(found)}"
    )


def _limit(found: Found) -> str:
    if found.exchange is None:
        return "the time was over before single layers were tried: give a larger --budget"
    worst = {
        name: min((offer.cost for offer in offers if offer.choice.choice != "float32"), default=0.0)
        for name, offers in found.exchange.offers.items()
    }
    name = max(worst, key=lambda each: worst[each])
    label = next(each.label for each in found.layers if each.name == name)
    return (
        f"layer {label} limits it: at the best, {100 * worst[name]:.2f} % of the pixels change when it alone is "
        "quantized; allow more --choices (float16, int16x8, float32), or more images"
    )


def _largest(layers: tuple[Layer, ...]) -> list[Layer]:
    return sorted(layers, key=lambda each: each.weight_count, reverse=True)[:3]


def _row(found: Found, trial: Trial, words: str, is_winner: bool) -> list[str]:
    metric, plain = found.goal.metric, found.plain.get("int8")
    worst = trial.lowest.get(metric)
    return [
        ">" if is_winner else "",
        f"{trial.size_bytes / 1024:.1f}",
        f"{trial.size_bytes / found.exact.size_bytes:.0%}",
        "" if plain is None else f"{trial.size_bytes / plain.size_bytes:.0%}",
        f"{trial.score(metric):.4f}",
        _signed(-trial.drop(metric, found.exact)),
        "" if worst is None else _signed(worst),
        f"{trial.agreement:.4f}",
        words,
    ]


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-0.0000", "+0.0000")


def _scores(trial: Trial) -> dict[str, Any]:
    return {
        "size_bytes": trial.size_bytes,
        "accuracy": trial.score("accuracy"),
        "mean_iou": trial.score("mean_iou"),
        "lowest_change": dict(trial.lowest),
        "agreement": trial.agreement,
    }


def is_exact(tried: Tried) -> bool:
    """Whether a file is the float file itself."""
    return all(choice.choice == "float32" for choice in tried.recipe.layers.values())
