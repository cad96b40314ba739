"""`segsweep sensitivity`: its options, and what it does."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from segsweep.candidates.options import add_shared_options, deadline, positive, progress, refuse_nothing_done
from segsweep.command_line import parse, verb_parser
from segsweep.config.schema import JobConfig
from segsweep.quiet import quiet

_DESCRIPTION = """\
Say where quantization hurts: every layer is quantized alone (its weights, its activations, both), and left alone in
float32 in a file where all others are quantized. Scores are of validation images. First all layers are tried on a few
of them, then the most sensitive ones on all. The table and a plot are kept on the run as sensitivity/TARGET.*"""


def sensitivity(arguments: list[str], compose: Callable[[Sequence[str]], JobConfig]) -> int:
    """Run the verb; return the exit status. `compose` makes settings of overrides."""
    parser = verb_parser("sensitivity", _DESCRIPTION)
    add_shared_options(parser)
    parser.add_argument(
        "--to", choices=("int8", "int4", "int16x8", "int16x4"), default="int8",
        help="what layers are quantized to (int4: weights of 4 bits, activations of 8); default: %(default)s",
    )  # fmt: skip
    parser.add_argument(
        "--screening",
        type=int,
        default=16,
        metavar="N",
        help="images that all layers are tried on; default: %(default)s",
    )
    parser.add_argument(
        "--top", type=int, default=8, metavar="N", help="so many layers are scored on all images; default: %(default)s"
    )
    options = parse(parser, arguments)
    until = deadline(options.budget)
    for option in ("images", "workers", "screening"):
        positive(f"--{option}", getattr(options, option))

    from segsweep.candidates.problem import DEFAULT_IMAGES
    from segsweep.candidates.sensitivity import measure
    from segsweep.candidates.sensitivity_table import sensitivity_figure, sensitivity_json, sensitivity_text
    from segsweep.candidates.source import source_of
    from segsweep.candidates.trying import Trying
    from segsweep.report.figures.rendering import render

    source = source_of(options, compose)
    with quiet(Path(os.devnull)):
        problem = source.problem(options.images or DEFAULT_IMAGES)
    kept_on = source.training or source.run
    with (
        progress("trying layers") as on_trial,
        Trying(problem, source.store, kept_on, deadline=until, workers=options.workers, on_trial=on_trial) as trying,
    ):
        found = measure(trying, options.to, screening=options.screening, top=options.top)
        refuse_nothing_done(bool(found.exact and found.quantized), options.budget)
    text = sensitivity_text(found, options.metric)
    print(text, end="")
    if source.store is not None and source.run is not None:
        picture = render(sensitivity_figure(found, options.metric), "png", dots=150)
        stem = f"sensitivity/{options.to}"
        source.store.upload(
            source.run.run_id,
            {f"{stem}.md": text.encode(), f"{stem}.json": sensitivity_json(found), f"{stem}.png": picture},
        )
        print(f"Kept on run {source.run.run_id} as {stem}.md, .json and .png.")
    if trying.made:
        print(
            f"{trying.made} candidates in {trying.seconds:.1f} s: {60 * trying.made / trying.seconds:.0f} a minute.",
            file=sys.stderr,
        )
    return 0
