"""`segsweep profile`: its options, and what it does."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from segsweep.candidates.options import is_file, positive
from segsweep.command_line import parse, verb_parser
from segsweep.errors import ConfigError
from segsweep.whole_files import refuse_unwritable, write_whole

_DESCRIPTION = """\
Say where a .tflite file's time goes on this host: each operator is cut out as a file of its own and measured with the
kernels of the whole file, in turn with the whole file. Names what computes with floats inside a file of integers. Of a
RUN, table, figures and plot are kept on it as profile/operators.*"""
_MOST_THREADS = 256


def profile(arguments: list[str]) -> int:
    """Run the verb; return the exit status."""
    options = _options(arguments)
    output = None if options.csv is None else Path(options.csv)
    if output is not None:
        refuse_unwritable("--csv", output, force=options.force)

    from segsweep.profiling.profile_text import profile_csv, profile_text
    from segsweep.profiling.supervision import supervised_profile

    settings = {"threads": options.threads, "seconds": options.seconds, "timeout": options.timeout}
    if is_file(options.model):
        found = supervised_profile(Path(options.model), options.model, **settings)
        print(profile_text(found, options.top), end="")
    else:
        from segsweep.profiling.profiled_run import keep, model_of
        from segsweep.tracking.store import Store

        store = Store.open_to_read(options.tracking_uri, options.experiment)
        run, path = model_of(store, options.model)
        found = supervised_profile(path, f"run {run.run_id}", **settings)
        print(profile_text(found, options.top), end="")
        print(f"\nKept on run {run.run_id}: {', '.join(keep(store, run, found))}.")
    if output is not None:
        write_whole("--csv", output, profile_csv(found))
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = verb_parser("profile", _DESCRIPTION)
    add = parser.add_argument
    add(
        "model", metavar="MODEL.tflite|RUN",
        help="a file, ours or not; or the run id of a variant or of a search, or its beginning",
    )  # fmt: skip
    add("--threads", type=int, default=1, metavar="N", help="of the interpreter; default: %(default)s")
    add("--top", type=int, default=10, metavar="N", help="operators to show one by one; default: %(default)s")
    add("--csv", metavar="FILE", help="write all operators there")
    add("--force", action="store_true", help="replace the file that is there")
    add("--seconds", type=float, default=5.0, metavar="S", help="how long to measure, about; default: %(default)g")
    add(
        "--timeout", type=float, default=120.0, metavar="S",
        help="give the file up when it says nothing for so long; default: %(default)g",
    )  # fmt: skip
    options = parse(parser, arguments)
    positive("--top", options.top)
    limits: Mapping[str, tuple[float, float, str]] = {
        "threads": (1, _MOST_THREADS, f"a number from 1 to {_MOST_THREADS}"),
        "seconds": (0.1, 3600, "seconds from 0.1 to 3600"),
        "timeout": (1, float("inf"), "seconds, 1 or more"),
    }
    for name, (least, most, words) in limits.items():
        if not least <= getattr(options, name) <= most:
            raise ConfigError(f"--{name} {getattr(options, name):g}: must be {words}")
    return options
