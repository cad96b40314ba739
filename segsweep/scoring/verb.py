"""`segsweep evaluate`: the scores of a `.tflite` file on a configured data set."""

import argparse
import json
import math
import os
import sys
from pathlib import Path

from segsweep.command_line import parse, verb_parser
from segsweep.data.dataset import sources_of
from segsweep.durations import milliseconds
from segsweep.quiet import quiet
from segsweep.scoring.file_on_data import Compose, FileOnData, file_on_data, read_file

_DESCRIPTION = """\
Score a .tflite file, made by segsweep or not, on the test split of a data set, as a sweep scores its variants. What
the file says about its normalization counts; one that says nothing gets images normalized by the training split."""

_LATENCY = "latency/"
"""Beginning of the names of what is in milliseconds."""


def evaluate(arguments: list[str], compose: Compose) -> int:
    """Run the verb; return the exit status. `compose` makes settings of overrides."""
    parser = verb_parser("evaluate", _DESCRIPTION)
    parser.add_argument("model", metavar="MODEL", help="the .tflite file")
    parser.add_argument(
        "overrides", metavar="data=NAME data.SETTING=...", nargs="*", help="the data, as for segsweep run"
    )
    parser.add_argument("--format", choices=("md", "json"), default="md", help="default: %(default)s")
    parser.add_argument("--no-latency", action="store_true", help="do not measure how long an image takes")
    options = parse(parser, arguments)
    path = Path(options.model)
    content = read_file(path)
    with quiet(Path(os.devnull)):
        found = file_on_data(path, content, options.overrides, compose)
    for note in _notes(found):
        print(f"segsweep: note: {note}", file=sys.stderr)
    metrics = _scored(found, path, options)
    writers = {"md": _markdown, "json": _json}
    print(writers[options.format](metrics, found, path), end="")
    return 0


def _notes(found: FileOnData) -> list[str]:
    """What whoever reads the scores should know."""
    from segsweep.data.sources import remarks

    notes = [f"data: {remark}" for remark in remarks(found.dataset)]
    if found.metadata is None:
        notes.append(
            "the file does not say how it normalizes images; they are normalized by the training split's bands"
        )
    elif found.metadata.classes != found.dataset.classes:
        theirs, ours = (", ".join(each.classes) for each in (found.metadata, found.dataset))
        notes.append(f"the file calls its classes {theirs}, the data {ours}")
    if found.metadata is not None and found.metadata.histogram != found.config.data.histogram:
        notes.append(
            f"the file was made for images with data.histogram={found.metadata.histogram}, and those here have "
            f"data.histogram={found.config.data.histogram}"
        )
    return notes


def _scored(found: FileOnData, path: Path, options: argparse.Namespace) -> dict[str, float]:
    """Every score by its metric's name, as a sweep logs it; those that are no number are left out."""
    from rich.console import Console
    from rich.progress import track

    from segsweep.evaluation.evaluator import evaluate as evaluated
    from segsweep.evaluation.latency import measure_latency
    from segsweep.runs.score_metrics import score_metrics
    from segsweep.tracking import names

    images = len(found.dataset.test)
    steps = iter(track(range(images), "scoring", console=Console(stderr=True), transient=True))
    done = 0

    def on_image(count: int) -> None:
        nonlocal done
        while done < count:
            next(steps, None)
            done += 1

    evaluation = evaluated(
        found.model,
        found.dataset.test,
        found.normalization,
        len(found.dataset.classes),
        batch_size=found.config.evaluation.batch_size,
        on_image=on_image,
    )
    next(steps, None)
    metrics = {**score_metrics(evaluation, found.dataset.classes), names.SIZE_BYTES: float(len(found.content))}
    if not options.no_latency:
        latency = measure_latency(path, found.config.evaluation.latency)
        metrics |= {names.LATENCY_P50: latency.p50_ms, names.LATENCY_P95: latency.p95_ms}
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def _markdown(metrics: dict[str, float], found: FileOnData, path: Path) -> str:
    lines = [
        f"{path}: {_images(found)} test images of {found.dataset.name}, {found.model.kernels} kernels",
        "",
        "| metric | value |",
        "|:-------|------:|",
        *(f"| {name} | {_shown(name, value)} |" for name, value in metrics.items()),
    ]
    return "\n".join(lines) + "\n"


def _json(metrics: dict[str, float], found: FileOnData, path: Path) -> str:
    content = {
        "model": str(path),
        "data": found.dataset.name,
        "test_images": _images(found),
        "classes": list(found.dataset.classes),
        "kernels": found.model.kernels,
        "metrics": metrics,
    }
    return json.dumps(content, indent=1) + "\n"


def _images(found: FileOnData) -> int:
    """Source images of the test split, of which patches may have been cut."""
    return len(sources_of(found.dataset.test))


def _shown(name: str, value: float) -> str:
    if name.startswith(_LATENCY):
        return milliseconds(value)
    return f"{value:.0f}" if value >= 1000 else f"{value:.4f}"
