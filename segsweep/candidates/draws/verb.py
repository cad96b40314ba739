"""`segsweep calibration`: its options, and what it does."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from segsweep.candidates.options import (
    add_shared_options,
    deadline,
    named,
    positive,
    progress,
    refuse_nothing_done,
)
from segsweep.command_line import parse, verb_parser
from segsweep.config.schema import JobConfig
from segsweep.data.dataset import sources_of
from segsweep.errors import ConfigError
from segsweep.quiet import quiet

_DESCRIPTION = """\
Say how much the score of an int8 file moves with the training images that calibrate it. For each way to choose them,
each number of them and each way to find ranges, so many files are made, each with another seed, and scored on
validation images. The table and a plot are kept on the run as calibration/int8.*"""
_CHOICES = ("random", "stratified", "farthest")
_RANGES = ("min_max", "average", "percentile", "mse")
_STEM = "calibration/{target}"


def calibration(arguments: list[str], compose: Callable[[Sequence[str]], JobConfig]) -> int:
    """Run the verb; return the exit status. `compose` makes settings of overrides."""
    parser = verb_parser("calibration", _DESCRIPTION)
    add_shared_options(parser)
    parser.add_argument(
        "--samples", metavar="A,B,...", default="8,32,128", help="numbers of training images; default: %(default)s"
    )
    parser.add_argument("--seeds", type=int, default=10, metavar="N", help="draws of each; default: %(default)s")
    parser.add_argument(
        "--choices", metavar="A,B,...", default=",".join(_CHOICES), help="how they are chosen; default: %(default)s"
    )
    parser.add_argument(
        "--ranges", metavar="A,B,...", default=",".join(_RANGES), help="how ranges are found; default: %(default)s"
    )
    parser.add_argument(
        "--to", choices=("int8", "int16x8"), default="int8", help="what files are made; default: %(default)s"
    )
    options = parse(parser, arguments)
    until = deadline(options.budget)
    for option in ("images", "workers", "seeds"):
        positive(f"--{option}", getattr(options, option))
    choices, ranges = named("--choices", options.choices, _CHOICES), named("--ranges", options.ranges, _RANGES)
    samples = _numbers("--samples", options.samples)

    from segsweep.candidates.claim import claim
    from segsweep.candidates.draws.spread import Setting, measure, whole
    from segsweep.candidates.draws.table import spread_csv, spread_figure, spread_json, spread_text
    from segsweep.candidates.problem import DEFAULT_IMAGES
    from segsweep.candidates.source import source_of
    from segsweep.candidates.trial import METRICS
    from segsweep.candidates.trying import Trying
    from segsweep.report.figures.rendering import render

    source = source_of(options, compose)
    available = len(source.dataset.train)
    # What is more than there are is all of them, once, however they are chosen.
    counts = tuple(dict.fromkeys(min(count, available) for count in samples))
    settings = [
        Setting(choice, count, how)
        for how in ranges
        for count in counts
        for choice in (choices if count < available else choices[:1])
    ]
    with quiet(Path(os.devnull)):
        problem = source.problem(options.images or DEFAULT_IMAGES)
    kept_on = source.training or source.run
    with (
        progress("trying draws") as on_trial,
        Trying(problem, source.store, kept_on, deadline=until, workers=options.workers, on_trial=on_trial) as trying,
    ):
        found = measure(trying, source, settings, options.seeds, options.to)
        refuse_nothing_done(found is not None and bool(found.drawn), options.budget)
        assert found is not None
        tested = dict.fromkeys(METRICS, None)
        if not trying.is_over:
            with quiet(Path(os.devnull)):
                claimed = claim(whole(problem, options.to), problem, source)
            tested = {metric: claimed.change(metric) for metric in METRICS}
    text = spread_text(found, options.metric, tested[options.metric], len(sources_of(source.dataset.test)))
    print(text, end="")
    if source.store is not None and source.run is not None:
        stem = _STEM.format(target=options.to)
        picture = render(spread_figure(found, options.metric), "png", dots=150)
        files = {
            ".md": text.encode(),
            ".csv": spread_csv(found),
            ".json": spread_json(found, tested),
            ".png": picture,
        }
        source.store.upload(source.run.run_id, {f"{stem}{kind}": content for kind, content in files.items()})
        print(f"Kept on run {source.run.run_id} as {stem}.md, .csv, .json and .png.")
    if trying.made:
        rate = f"{60 * trying.made / trying.seconds:.0f} a minute"
        print(f"{trying.made} candidates in {trying.seconds:.1f} s: {rate}.", file=sys.stderr)
    return 0


def _numbers(option: str, text: str) -> tuple[int, ...]:
    try:
        found = tuple(dict.fromkeys(int(each) for each in text.split(",") if each))
    except ValueError as error:
        raise ConfigError(f"{option} {text}: must be whole numbers, as 8,32,128") from error
    if not found or min(found) < 1:
        raise ConfigError(f"{option} {text}: must be numbers from 1, as 8,32,128")
    return found
