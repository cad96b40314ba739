"""The verbs. Imports nothing heavy: each verb imports what it needs when it is called."""

import argparse
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from segsweep import __version__
from segsweep.errors import SegsweepError

DEFAULT_TRACKING_URI = "sqlite:///mlruns/mlflow.db"
DEFAULT_EXPERIMENT = "segsweep"
DEBUG_VARIABLE = "SEGSWEEP_DEBUG"
_SECONDS_BETWEEN_LOOKS = 5.0

_USAGE = """\
segsweep VERB ...

  run [OVERRIDES] [-m]   train, export and measure one combination, or every combination of a sweep (-m)
  plan [OVERRIDES] [-m]  what run would do: jobs, trainings, what is done, what cannot work
  report                 the comparison table of a sweep, from the store
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
    parser = _parser("report", "Print the comparison table of a sweep, from the store alone.")
    parser.add_argument("--sweep", metavar="ID", help="run id of the sweep, or its beginning; default: the last one")
    parser.add_argument("--format", choices=("md", "csv", "json"), default="md", help="default: %(default)s")
    parser.add_argument("--output", metavar="FILE", help="write there instead of to standard output")
    parser.add_argument("--force", action="store_true", help="replace FILE if it exists")
    parser.add_argument(
        "--animations", metavar="DIR", help="also write there, for each training, what it predicted as an animated GIF"
    )
    options = _parse(parser, arguments)
    if options.output and Path(options.output).exists() and not options.force:
        raise SegsweepError(f"--output {options.output}: the file exists; give another name, or --force to replace it")

    from segsweep.report.comparison import comparison, find_sweep
    from segsweep.report.formats import FORMATS
    from segsweep.tracking.store import Store

    store = Store.open_to_read(options.tracking_uri, options.experiment)
    sweep = find_sweep(store, options.sweep)
    text = FORMATS[options.format](comparison(store, sweep))
    if options.animations:
        from segsweep.report.animations import write_animations

        for path in write_animations(store, sweep, Path(options.animations)):
            print(f"segsweep: {path}", file=sys.stderr)
    if options.output:
        _write_whole(Path(options.output), text)
    else:
        print(text, end="")
    return 0


def _ui(arguments: list[str]) -> int:
    parser = _parser("ui", "Serve the MLflow UI on the store, on this machine only.")
    parser.add_argument("--port", type=int, default=5000, help="default: %(default)s")
    options = _parse(parser, arguments)

    from segsweep.tracking.location import locate, require_database
    from segsweep.tracking.server import serve_ui

    location = locate(options.tracking_uri)
    if location.database is not None:
        require_database(location.database)
    return serve_ui(location, options.port)


def _status(arguments: list[str]) -> int:
    parser = _parser("status", "What the running sweeps of the store are doing.")
    parser.add_argument("--watch", action="store_true", help="say so again every few seconds, until Ctrl-C")
    options = _parse(parser, arguments)

    from segsweep.report.status import status_text
    from segsweep.tracking.store import Store

    store = Store.open_to_read(options.tracking_uri, options.experiment)
    print(status_text(store), end="", flush=True)
    while options.watch:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
        print("\n" + status_text(store), end="", flush=True)
    return 0


def _gc(arguments: list[str]) -> int:
    parser = _parser("gc", "List what disk space could be freed; no run is ever removed.")
    parser.add_argument("--yes", action="store_true", help="free it")
    options = _parse(parser, arguments)

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


_VERBS = {"run": _run, "plan": _plan, "report": _report, "status": _status, "ui": _ui, "gc": _gc}


class _Parser(argparse.ArgumentParser):
    """Complains as all of segsweep does."""

    def error(self, message: str):  # type: ignore[no-untyped-def]
        raise SegsweepError(f"{message}, after segsweep {self.prog.split()[-1]}; see {self.prog} --help")


def _parser(verb: str, description: str) -> argparse.ArgumentParser:
    parser = _Parser(prog=f"segsweep {verb}", description=description, allow_abbrev=False)
    uri = os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_TRACKING_URI
    parser.add_argument("--tracking-uri", metavar="URI", default=uri, help="MLflow store; default: %(default)s")
    parser.add_argument("--experiment", metavar="NAME", default=DEFAULT_EXPERIMENT, help="default: %(default)s")
    return parser


def _parse(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    """Parse, taking `tracking.uri=` and `tracking.experiment=` for the options of the same meaning."""
    words = {"tracking.uri=": "--tracking-uri", "tracking.experiment=": "--experiment"}
    plain: list[str] = []
    for argument in arguments:
        option = next((option for word, option in words.items() if argument.startswith(word)), None)
        plain += [argument] if option is None else [option, argument.partition("=")[2]]
    return parser.parse_args(plain)


def _write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise SegsweepError(f"--output {path}: cannot be written ({error.strerror}); choose another place") from error


def _complain(message: str) -> int:
    if os.environ.get(DEBUG_VARIABLE) == "1" and sys.exc_info()[0] is not None:
        traceback.print_exc()
    print(f"segsweep: error: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    raise Terminated


if __name__ == "__main__":
    sys.exit(main())
