"""The verbs. Imports nothing heavy: each verb imports what it needs when it is called."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from types import FrameType

from segsweep import __version__
from segsweep.command_line import parse, verb_parser
from segsweep.errors import SegsweepError

DEBUG_VARIABLE = "SEGSWEEP_DEBUG"
_SECONDS_BETWEEN_LOOKS = 5.0

_USAGE = """\
segsweep VERB ...

  run [OVERRIDES] [-m]   train, export and measure one combination, or every combination of a sweep (-m)
  plan [OVERRIDES] [-m]  what run would do: jobs, trainings, what is done, what cannot work
  report                 the comparison table of a sweep, from the store
  best                   the variant of a sweep to ship, and why
  evaluate               the scores of any .tflite on a configured data set
  predict                masks of images and whole scenes with an exported .tflite
  demo-page              a local page that shows what one or two .tflite files make of an image
  sensitivity            where quantization hurts, layer by layer
  search                 the smallest file that keeps the score, each layer with its own precision
  profile                where a file's time goes, operator by operator
  bands                  what the int8 input leaves of each band, and what brings lost ones back
  calibration            how much the score moves with the draw of the calibration images
  status                 what the running sweeps are doing, from any terminal or host
  ui                     the MLflow UI on the store
  gc                     what disk space could be freed; frees it with --yes

`segsweep VERB --help` says more. First steps: segsweep run -m experiment=quickstart
"""


class Terminated(BaseException):
    """SIGTERM arrived."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb; return the exit status: 0, 1 (some job failed), 2 (wrong input), 130 (Ctrl-C) or 143 (SIGTERM)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help", "help"):
        print(_USAGE, end="")
        return 0 if given else 2
    if given[0] == "--version":
        print(f"segsweep {__version__}")
        return 0
    verb, rest = given[0], given[1:]
    if verb not in _VERBS:
        return _complain(f"unknown verb {verb}, on the command line; there are {', '.join(_VERBS)}")
    if "--debug" in rest:
        rest.remove("--debug")
        os.environ[DEBUG_VARIABLE] = "1"
    signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        return _VERBS[verb](rest)
    except SegsweepError as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        print("segsweep: interrupted", file=sys.stderr)
        return 130
    except Terminated:
        print("segsweep: terminated", file=sys.stderr)
        return 143
    except BrokenPipeError:
        # The reader of a pipe has left, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(arguments: list[str]) -> int:
    from segsweep.hydra_run import run

    return run(arguments)


def _plan(arguments: list[str]) -> int:
    from segsweep.hydra_run import plan

    return plan(arguments)


def _report(arguments: list[str]) -> int:
    from segsweep.report.verb import report

    return report(arguments)


def _ui(arguments: list[str]) -> int:
    parser = verb_parser("ui", "Serve the MLflow UI on the store, on this machine only.")
    parser.add_argument("--port", type=int, default=5000, help="default: %(default)s")
    options = parse(parser, arguments)

    from segsweep.tracking.location import locate, require_database
    from segsweep.tracking.server import serve_ui

    location = locate(options.tracking_uri)
    if location.database is not None:
        require_database(location.database)
    return serve_ui(location, options.port, options.experiment)


def _best(arguments: list[str]) -> int:
    from segsweep.choosing.verb import best

    return best(arguments)


def _sensitivity(arguments: list[str]) -> int:
    from segsweep.candidates.sensitivity_verb import sensitivity
    from segsweep.composed_settings import composed_settings

    return sensitivity(arguments, composed_settings)


def _search(arguments: list[str]) -> int:
    from segsweep.candidates.search_verb import search
    from segsweep.composed_settings import composed_settings

    return search(arguments, composed_settings)


def _bands(arguments: list[str]) -> int:
    from segsweep.candidates.bands.verb import bands
    from segsweep.composed_settings import composed_settings

    return bands(arguments, composed_settings)


def _calibration(arguments: list[str]) -> int:
    from segsweep.candidates.draws.verb import calibration
    from segsweep.composed_settings import composed_settings

    return calibration(arguments, composed_settings)


def _profile(arguments: list[str]) -> int:
    from segsweep.profiling.verb import profile

    return profile(arguments)


def _evaluate(arguments: list[str]) -> int:
    from segsweep.composed_settings import composed_settings
    from segsweep.scoring.verb import evaluate

    return evaluate(arguments, composed_settings)


def _status(arguments: list[str]) -> int:
    parser = verb_parser("status", "What the running sweeps of the store are doing.")
    parser.add_argument("--watch", action="store_true", help="say so again every few seconds, until Ctrl-C")
    options = parse(parser, arguments)

    from segsweep.report.status import status_text
    from segsweep.tracking.store import Store

    store = Store.open_to_read(options.tracking_uri, options.experiment)
    print(status_text(store), end="", flush=True)
    while options.watch:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
        print("\n" + status_text(store), end="", flush=True)
    return 0


def _gc(arguments: list[str]) -> int:
    parser = verb_parser("gc", "List what disk space could be freed; no run is ever removed.")
    parser.add_argument("--yes", action="store_true", help="free it")
    options = parse(parser, arguments)

    from segsweep.tracking.leftovers import leftovers
    from segsweep.tracking.store import Store

    found = leftovers(Store.open_to_read(options.tracking_uri, options.experiment))
    for each in found:
        print(f"{each.size / 2**20:10.1f} MiB  {each.what}")
        if options.yes:
            each.remove()
    total = f"{sum(each.size for each in found) / 2**20:.1f} MiB"
    if not found:
        print("nothing to free")
    else:
        print(f"{total} freed" if options.yes else f"{total} could be freed: segsweep gc --yes")
    return 0


def _predict(arguments: list[str]) -> int:
    from segsweep.predict.command import predict

    return predict(arguments)


def _demo_page(arguments: list[str]) -> int:
    from segsweep.demo.command import demo_page

    return demo_page(arguments)


_VERBS = {
    "run": _run,
    "plan": _plan,
    "report": _report,
    "best": _best,
    "evaluate": _evaluate,
    "predict": _predict,
    "demo-page": _demo_page,
    "sensitivity": _sensitivity,
    "search": _search,
    "profile": _profile,
    "bands": _bands,
    "calibration": _calibration,
    "status": _status,
    "ui": _ui,
    "gc": _gc,
}


def _complain(message: str) -> int:
    if os.environ.get(DEBUG_VARIABLE) == "1" and sys.exc_info()[0] is not None:
        traceback.print_exc()
    print(f"segsweep: error: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    raise Terminated


if __name__ == "__main__":
    sys.exit(main())
