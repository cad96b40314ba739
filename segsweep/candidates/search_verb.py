"""`segsweep search`: its options, and what it does."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segsweep.candidates.options import (
    add_shared_options,
    deadline,
    named,
    positive,
    progress,
    refuse_nothing_done,
)
from segsweep.choosing import units
from segsweep.command_line import parse, verb_parser
from segsweep.config.schema import JobConfig
from segsweep.data.dataset import sources_of
from segsweep.errors import ConfigError, SegsweepError
from segsweep.quantization.choices import ALGORITHMS, CHOICES, PLAIN
from segsweep.quiet import quiet
from segsweep.tracking import names
from segsweep.whole_files import refuse_unwritable, write_whole

if TYPE_CHECKING:
    from segsweep.candidates.source import Source

_DESCRIPTION = """\
Find the smallest file whose score drops by no more than --max-drop, or the best one of --max-size: each layer becomes
one of --choices. Candidates are scored on validation images; the chosen one once on the test images. What is found is
kept on a run of its own under the training. Exit status 2 where nothing reaches the goal; the nearest file is said."""
DEFAULT_CHOICES = "float32,float16,weight_only_int8,weight_only_int4,dynamic_int8,dynamic_int4,int8,int4,int16x8"


def search(arguments: list[str], compose: Callable[[Sequence[str]], JobConfig]) -> int:
    """Run the verb; return the exit status. `compose` makes settings of overrides."""
    options = _options(arguments)
    until = deadline(options.budget)
    max_drop = None if options.max_drop is None else units.drop("--max-drop", options.max_drop)
    max_size = None if options.max_size is None else int(units.size("--max-size", options.max_size))
    output, file = (None if path is None else Path(path) for path in (options.output, options.tflite))
    for option, path in (("--output", output), ("--tflite", file)):
        if path is not None:
            refuse_unwritable(option, path, force=options.force)

    from segsweep.candidates.claim import claim, claim_text
    from segsweep.candidates.goal import Goal
    from segsweep.candidates.problem import DEFAULT_IMAGES
    from segsweep.candidates.search import search as find
    from segsweep.candidates.search_latency import latency_text, search_latencies
    from segsweep.candidates.search_text import front_text, is_exact, layers_text, refusal
    from segsweep.candidates.source import source_of
    from segsweep.candidates.trying import Trying
    from segsweep.evaluation.jackknife import LEAST_GROUPS

    goal = Goal(options.metric, max_drop, max_size, options.by)
    source = source_of(options, compose)
    with quiet(Path(os.devnull)):
        problem = source.problem(options.images or DEFAULT_IMAGES)
    groups = len(set(problem.groups.tolist()))
    if options.by == "upper" and max_drop is not None and groups < LEAST_GROUPS:
        raise ConfigError(
            f"segsweep search: {groups} independent validation images have no 95 % interval, by which --by upper "
            f"judges drops; at least {LEAST_GROUPS} are needed: give more --images or validation images, or --by value"
        )
    with (
        progress("trying files") as on_trial,
        Trying(
            problem, source.store, source.training or source.run, deadline=until, workers=options.workers,
            on_trial=on_trial,
        ) as trying,
    ):  # fmt: skip
        found = find(trying, goal, options.choices, options.algorithms, screening=options.screening)
    refuse_nothing_done(found is not None, options.budget)
    assert found is not None
    print(front_text(found))
    if trying.made:
        rate = f"{60 * trying.made / trying.seconds:.0f} a minute"
        print(f"{trying.made} candidates in {trying.seconds:.1f} s: {rate}.", file=sys.stderr)
    winner = found.winner
    if winner is None or (max_drop is not None and is_exact(winner)):
        raise SegsweepError(refusal(found))
    print(layers_text(winner.recipe, found.layers))
    with quiet(Path(os.devnull)):
        claimed = claim(winner.recipe, problem, source)
        latencies = search_latencies(found, claimed, problem)
    print(claim_text(claimed, len(sources_of(source.dataset.test))) + latency_text(latencies))
    if file is not None:
        write_whole("--tflite", file, claimed.content)
        print(f"File: {file}.")
    if output is not None:
        write_whole("--output", output, winner.recipe.to_yaml())
        print(f"Recipe: {output}." + _repeated_by(source, output))
    if source.store is not None:
        from segsweep.candidates.search_run import log_search

        run_id = log_search(found, claimed, latencies, source, options)
        print(f"Kept on run {run_id}: search/recipe.yaml, front.md, front.png, tried.json.")
    elif output is None:
        print("\n" + winner.recipe.to_yaml(), end="")
    return 0


def _repeated_by(source: "Source", recipe: Path) -> str:
    """How a sweep makes the file again; empty where none does: recipes are applied to float trainings."""
    if source.run is None or source.run.tags.get(names.TRAINING_KIND) != "float":
        return ""
    return f" To make and log the file: segsweep run ... quantization=mixed quantization.recipe={recipe}"


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = verb_parser("search", _DESCRIPTION)
    add_shared_options(parser)
    parser.add_argument("--max-drop", metavar="DROP", help="of the metric, absolute: 0.01, or 1%% for the same")
    parser.add_argument("--max-size", metavar="SIZE", help="of the file, such as 150KiB (B, KB, KiB, MB, MiB)")
    parser.add_argument(
        "--by", choices=("upper", "value", "pixels"), default="upper",
        help="what of the drop must be small: the upper end of its 95%% interval, its value, or the share of the "
        "pixels that change their class (for maps of places unlike the validation images); default: %(default)s",
    )  # fmt: skip
    parser.add_argument(
        "--choices", metavar="A,B,...", default=DEFAULT_CHOICES,
        help=f"what layers may become, of {', '.join(CHOICES)}; default: %(default)s",
    )  # fmt: skip
    parser.add_argument(
        "--algorithms", metavar="A,B,...", default=PLAIN,
        help=f"how integer weights are found, of {', '.join(ALGORITHMS)}; default: %(default)s",
    )  # fmt: skip
    parser.add_argument(
        "--screening", type=int, default=64, metavar="N", help="images for single layers; default: %(default)s"
    )
    parser.add_argument("--output", metavar="FILE", help="write the recipe there, as YAML")
    parser.add_argument("--tflite", metavar="FILE", help="write the file itself there")
    parser.add_argument("--force", action="store_true", help="replace the files that are there")
    options = parse(parser, arguments)
    if (options.max_drop is None) == (options.max_size is None):
        raise ConfigError("segsweep search: give one of --max-drop and --max-size, as --max-drop 0.01")
    options.choices = named("--choices", options.choices, tuple(CHOICES))
    options.algorithms = named("--algorithms", options.algorithms, tuple(ALGORITHMS))
    for option in ("images", "workers", "screening"):
        positive(f"--{option}", getattr(options, option))
    return options
