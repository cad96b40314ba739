"""`segsweep best`: its options, and what they do."""

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from segsweep.command_line import parse, verb_parser
from segsweep.errors import SegsweepError

if TYPE_CHECKING:
    from segsweep.devices.profile import Device
    from segsweep.report.comparison import Comparison

_MODEL_NAME = re.compile(r"(?=.*\S)[^/:'\n]+")
_DESCRIPTION = """\
Say which variant of a sweep to ship, and why: of those that fit the wishes the one with the highest validation score,
or the smallest file of those that are within noise of it. Then say its test score. Exit status 2 where nothing fits;
then the nearest variants are printed, and what each misses."""


def best(arguments: list[str]) -> int:
    """Run the verb; return the exit status."""
    parser = verb_parser("best", _DESCRIPTION)
    parser.add_argument("--sweep", metavar="ID", help="run id of the sweep, or its beginning; default: the last one")
    parser.add_argument("--max-size", metavar="SIZE", help="of the file, such as 300KiB (B, KB, KiB, MB, MiB, GB, GiB)")
    parser.add_argument(
        "--max-gzip",
        metavar="SIZE",
        help="of the file compressed with gzip, which is what pruning and clustering lower",
    )
    parser.add_argument(
        "--max-latency", metavar="TIME", help="median of one image, as the sweep measured it, such as 20ms (us, ms, s)"
    )
    parser.add_argument(
        "--max-drop",
        metavar="DROP",
        help="of the metric, absolute, below the float32 file of the same training: 0.01, or 1%% for the same",
    )
    parser.add_argument(
        "--max-memory",
        metavar="SIZE",
        help="while it runs: TensorFlow Lite Micro's arena where known, else a planned one",
    )
    parser.add_argument(
        "--device", metavar="NAME", help="what it must run on: a known device, or the path of a profile (NAME.yaml)"
    )
    parser.add_argument(
        "--metric", choices=("accuracy", "mean_iou", "mean_dice"), default="mean_iou", help="default: %(default)s"
    )
    parser.add_argument(
        "--choose-on",
        choices=("validation", "test"),
        default="validation",
        help="whose scores decide; test scores that have chosen are too good. Default: %(default)s",
    )
    parser.add_argument(
        "--controls",
        action="store_true",
        help="let the float fine-tunes that stand beside quantization-aware variants take part",
    )
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="CONDITION",
        help="only rows of the comparison such as width=8,16 or quantization!=int16x8; may be given more than once",
    )
    parser.add_argument(
        "--export", metavar="DIR", help="write the .tflite there, with labels, a model card and a Python example"
    )
    parser.add_argument("--force", action="store_true", help="replace those files in DIR if they exist")
    parser.add_argument("--register", metavar="NAME", help="make it a version of that model in MLflow's model registry")
    options = parse(parser, arguments)
    numbers = _numbers(options)
    device = _device(options.device)
    if options.register is not None and not _MODEL_NAME.fullmatch(options.register):
        raise SegsweepError(f"--register {options.register}: names of models have no / : or '; give another name")
    if options.export is not None:
        from segsweep.choosing.export import refuse_export

        refuse_export(Path(options.export), force=options.force)

    from segsweep.choosing.decision import Wish, decide
    from segsweep.report.comparison import compare, find_sweep
    from segsweep.tracking.store import Store

    store = Store.open_to_read(options.tracking_uri, options.experiment)
    sweep = find_sweep(store, options.sweep)
    comparison = _selected(compare(store, sweep), options.where)
    wish = Wish(options.metric, numbers, options.choose_on, options.controls, device)
    decision = decide(store, sweep, comparison, wish)
    print(decision.text, end="", flush=True)
    for remark in decision.remarks:
        print(f"segsweep: note: {remark}", file=sys.stderr)
    if decision.winner is None:
        raise SegsweepError(decision.refusal)
    if options.export is not None:
        from segsweep.choosing.export import export

        for path in export(store, decision.winner, Path(options.export), decision.text):
            print(f"segsweep: {path}", file=sys.stderr)
    if options.register is not None:
        from segsweep.choosing.registering import register_winner

        registered = register_winner(store, decision.winner, options.register, decision.text, options.choose_on)
        already = "" if registered.is_new else ", as which it was registered before"
        print(f"segsweep: {registered.uri}{already}", file=sys.stderr)
    return 0


def _selected(comparison: "Comparison", conditions: list[str]) -> "Comparison":
    """The rows of a comparison that fulfil conditions, with all of its runs."""
    from segsweep.report.selection import chosen_rows, parse_condition, with_columns

    parsed = [parse_condition(text) for text in conditions]
    wanted = [("--where", each.column) for each in parsed]
    table = chosen_rows(with_columns(comparison.table, comparison.runs, wanted), parsed)
    return replace(comparison, table=table)


def _device(name: str | None) -> "tuple[str, Device] | None":
    """A device with the option that names it."""
    from segsweep.devices.profile import load_device

    return (f"--device {name}", load_device(name)) if name is not None else None


def _numbers(options: argparse.Namespace) -> dict[str, tuple[str, float]]:
    """What was given for each limit as (option with its text, number)."""
    from segsweep.choosing import units

    parsers: Mapping[str, Callable[[str, str], float]] = {
        "size": units.size, "gzip": units.size, "latency": units.milliseconds, "drop": units.drop, "memory": units.size,
    }  # fmt: skip
    found = {}
    for what, parser in parsers.items():
        option, text = f"--max-{what}", getattr(options, f"max_{what}")
        if text is not None:
            found[what] = (f"{option} {text}", partial(parser, option)(text))
    return found
