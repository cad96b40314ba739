"""The model card beside an exported file (Mitchell et al., Model Cards for Model Reporting, 2019), in Markdown."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segsweep.choosing.candidates import METRICS, Candidate
from segsweep.choosing.words import kib, ms
from segsweep.evaluation.bootstrap import counted_groups, is_too_few
from segsweep.evaluation.confusion import scores
from segsweep.evaluation.image_counts import ImageCounts
from segsweep.evaluation.score_interval import score_interval
from segsweep.report.formats.escaping import markdown_text
from segsweep.tflite.metadata import Metadata
from segsweep.tracking import names

_SETTINGS = ("model.", "loss.", "training.", "quantization.", "data.", "seed")
_LONGEST = 80


@dataclass(frozen=True)
class CardInput:
    """What a card is written from."""

    candidate: Candidate
    metadata: Metadata
    counts: ImageCounts | None
    """(N, K, K) confusion counts of the test images; None where they are lost."""
    input_shape: tuple[int, int, int]
    by_pixel: bool
    """Whether each pixel has a class, and not the whole image."""
    why: str
    """Why it was chosen, as the command said it."""


def model_card(given: CardInput) -> str:
    """The card: what the model is, how good, how it was made, and what it is not for."""
    run, metadata = given.candidate.run, given.metadata
    height, width, channels = given.input_shape
    size = f"{height}, {width}, " if given.by_pixel else ""
    what = "a number for each class and pixel" if given.by_pixel else "a number for each class"
    parts = [
        f"# {markdown_text(given.candidate.label)}",
        _about(given),
        "## How good it is",
        _scores(given),
        "## Its input and output",
        f"One image, (1, {height}, {width}, {channels}) of bands {_listed(metadata.bands)}"
        f"{f', stored as {metadata.dtype}' if metadata.dtype else ''}. By band, `(value - mean) / std`:",
        _table(
            ("band", "mean", "std"),
            [
                (markdown_text(band), f"{mean:.6g}", f"{std:.6g}")
                for band, mean, std in zip(metadata.bands, metadata.mean, metadata.std, strict=True)
            ],
        ),
        *(
            [f"Before that, the histogram of each band is changed (`{metadata.histogram}`)."]
            * (metadata.histogram != "none")
        ),
        "An integer file takes `round(x / scale) + zero point` and gives integers; both stand in the file. "
        f"Its output, (1, {size}{len(metadata.classes)}), is {what}, the largest wins: "
        f"{_listed(metadata.classes)}. `labels.txt` names the classes, `predict.py` shows all of it in code.",
        "## How it was made",
        _table(("", ""), _origin(given)),
        _table(("setting", "value"), _settings(run.params)),
        "## Limits",
        _limits(given),
        "## Why this one",
        "```text\n" + given.why.strip().replace("```", "'''") + "\n```",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _about(given: CardInput) -> str:
    metadata = given.metadata
    standin = " (a generated stand-in)" if names.STANDIN in given.candidate.run.tags else ""
    what = "pixels" if given.by_pixel else "images"
    return (
        f"A `{markdown_text(metadata.quantization)}` TFLite file of {kib(given.candidate.size_bytes)} that tells "
        f"{len(metadata.classes)} classes of {what} apart, trained on {markdown_text(metadata.data)}{standin} by "
        f"segsweep {metadata.segsweep_version}."
    )


def _scores(given: CardInput) -> str:
    """Scores with their intervals and by class; where the counts are lost, what the run says."""
    run, candidate = given.candidate.run, given.candidate
    rows = []
    for metric in METRICS.values():
        counts = given.counts
        interval = None
        if counts is not None and counts.groups is not None:
            interval = score_interval(counts, metric.score, groups=counts.groups)
        if metric.name in run.metrics:
            between = f"{interval.low:.4f} to {interval.high:.4f}" if interval is not None else ""
            rows.append((metric.words, f"{run.metrics[metric.name]:.4f}", between))
    if run.tags.get(names.BASELINE_RUN_ID) not in (None, run.run_id) and names.DELTA_MEAN_IOU in run.metrics:
        low, high = run.metrics.get(names.DELTA_MEAN_IOU_LOW), run.metrics.get(names.DELTA_MEAN_IOU_HIGH)
        between = f"{low:+.4f} to {high:+.4f}" if low is not None and high is not None else ""
        rows.append(("mean IoU, against float32", f"{run.metrics[names.DELTA_MEAN_IOU]:+.4f}", between))
    if candidate.latency_ms is not None:
        rows.append(
            (f"latency, one thread, {markdown_text(run.tags.get(names.CPU, '?'))}", ms(candidate.latency_ms), "")
        )
    text = f"Of this very file{_images(given)}\n\n"
    text += _table(("score", "value", "interval"), rows)
    if given.counts is None:
        return text
    found = scores(given.counts)
    by_class = [
        (markdown_text(name), *("absent" if np.isnan(value) else f"{value:.4f}" for value in values))
        for name, *values in zip(given.metadata.classes, found.iou, found.precision, found.recall, strict=True)
    ]
    return text + "\n\n" + _table(("class", "IoU", "precision", "recall"), by_class)


def _images(given: CardInput) -> str:
    """On what the scores of the test split rest, to the end of a sentence."""
    if given.counts is None or given.counts.groups is None:
        return "."
    images, groups = len(given.counts), counted_groups(given.counts)
    independent = f" ({groups} independent group{'' if groups == 1 else 's'})" if groups < images else ""
    intervals = "too few for intervals" if is_too_few(groups) else "intervals: 95 %, over independent images"
    return (
        f" on {images} test images{independent}; {intervals}. Means are over the classes that occur in the test masks."
    )


def _origin(given: CardInput) -> list[tuple[str, str]]:
    tags = given.candidate.run.tags
    fingerprints = json.loads(tags.get(names.DATA_FINGERPRINT, "{}"))
    versions = json.loads(tags.get(names.VERSIONS, "{}"))
    rows = [
        ("MLflow run", given.candidate.run.run_id),
        ("training key", given.metadata.training_key),
        ("variant key", given.metadata.variant_key),
        ("sha256 of model.tflite", given.candidate.run.sha256.get(names.MODEL_FILE, "?")),
        *((f"fingerprint of the {split} images", str(value)) for split, value in fingerprints.items()),
        ("versions", ", ".join(f"{name} {value}" for name, value in versions.items())),
    ]
    return [(name, markdown_text(value)) for name, value in rows if value]


def _settings(params: dict[str, str]) -> list[tuple[str, str]]:
    chosen = sorted(name for name in params if name.startswith(_SETTINGS) and params[name] != "None")
    return [(f"`{name}`", markdown_text(params[name][:_LONGEST])) for name in chosen]


def _limits(given: CardInput) -> str:
    lines = [
        "The scores are of test images from the same source as the training images; of other places, seasons or "
        "sensors they say nothing.",
        "The intervals tell how much other test images would change; another training may turn out otherwise.",
        "Latency was measured on the machine named above; another device must be measured itself.",
    ]
    if names.STANDIN in given.candidate.run.tags or given.metadata.data == "synthetic_parcels":
        lines.insert(0, "**It was trained on generated images: for trying things out, not for use on real ones.**")
    return "\n".join(f"- {line}" for line in lines)


def _listed(words: Sequence[str]) -> str:
    return ", ".join(markdown_text(word) for word in words)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
