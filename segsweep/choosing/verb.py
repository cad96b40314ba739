"""`segsweep best`: its options, and what they do."""

import argparse
import sys
from collections.abc import Callable, Mapping
from functools import partial

from segsweep.command_line import parse, verb_parser
from segsweep.errors import SegsweepError

_DESCRIPTION = """\
Say which variant of a sweep to ship, and why: of those that fit the wishes the one with the highest score, or the
smallest file of those that are within noise of it. Exit status 2 where nothing fits; then the nearest variants are
printed, and what each misses."""


def best(arguments: list[str]) -> int:
    """Run the verb; return the exit status."""
    parser = verb_parser("best", _DESCRIPTION)
    parser.add_argument("--sweep", metavar="ID", help="run id of the sweep, or its beginning; default: the last one")
    parser.add_argument("--max-size", metavar="SIZE", help="of the file, such as 300KiB (B, KB, KiB, MB, MiB, GB, GiB)")
    parser.add_argument(
        "--max-latency", metavar="TIME", help="median of one image, as the sweep measured it, such as 20ms (us, ms, s)"
    )
    parser.add_argument(
        "--max-drop",
        metavar="DROP",
        help="of the metric, absolute, below the float32 file of the same training: 0.01, or 1%% for the same",
    )
    parser.add_argument(
        "--metric", choices=("accuracy", "mean_iou", "mean_dice"), default="mean_iou", help="default: %(default)s"
    )
    parser.add_argument(
        "--controls",
        action="store_true",
        help="let the float fine-tunes that stand beside quantization-aware variants take part",
    )
    options = parse(parser, arguments)
    numbers = _numbers(options)

    from segsweep.choosing.decision import Wish, decide
    from segsweep.report.comparison import compare, find_sweep
    from segsweep.tracking.store import Store

    store = Store.open_to_read(options.tracking_uri, options.experiment)
    sweep = find_sweep(store, options.sweep)
    decision = decide(store, sweep, compare(store, sweep), Wish(options.metric, numbers, options.controls))
    print(decision.text, end="", flush=True)
    for remark in decision.remarks:
        print(f"segsweep: note: {remark}", file=sys.stderr)
    if decision.winner is None:
        raise SegsweepError(decision.refusal)
    return 0


def _numbers(options: argparse.Namespace) -> dict[str, tuple[str, float]]:
    """What was given for each limit as (option with its text, number)."""
    from segsweep.choosing import units

    parsers: Mapping[str, Callable[[str, str], float]] = {
        "size": units.size, "latency": units.milliseconds, "drop": units.drop
    }  # fmt: skip
    found = {}
    for what, parser in parsers.items():
        option, text = f"--max-{what}", getattr(options, f"max_{what}")
        if text is not None:
            found[what] = (f"{option} {text}", partial(parser, option)(text))
    return found
