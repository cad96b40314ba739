"""The options that verbs share, and how they complain."""

import argparse
import os

from segsweep.errors import SegsweepError

DEFAULT_TRACKING_URI = "sqlite:///mlruns/mlflow.db"
DEFAULT_EXPERIMENT = "segsweep"


class _Parser(argparse.ArgumentParser):
    """Complains as all of segsweep does."""

    def error(self, message: str):  # type: ignore[no-untyped-def]
        raise SegsweepError(f"{message}, after segsweep {self.prog.split()[-1]}; see {self.prog} --help")


def verb_parser(verb: str, description: str) -> argparse.ArgumentParser:
    """A parser of a verb's options that knows those of the store."""
    parser = _Parser(prog=f"segsweep {verb}", description=description, allow_abbrev=False)
    uri = os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_TRACKING_URI
    parser.add_argument("--tracking-uri", metavar="URI", default=uri, help="MLflow store; default: %(default)s")
    parser.add_argument("--experiment", metavar="NAME", default=DEFAULT_EXPERIMENT, help="default: %(default)s")
    return parser


def parse(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    """Parse, taking `tracking.uri=` and `tracking.experiment=` for the options of the same meaning."""
    words = {"tracking.uri=": "--tracking-uri", "tracking.experiment=": "--experiment"}
    plain: list[str] = []
    for argument in arguments:
        option = next((option for word, option in words.items() if argument.startswith(word)), None)
        plain += [argument] if option is None else [option, argument.partition("=")[2]]
    return parser.parse_args(plain)
