"""The options that the verbs about candidates share, and what they ask for."""

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from segsweep.errors import ConfigError, SegsweepError

METRICS = ("accuracy", "mean_iou")
_UNITS = {"s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}
_LEAST_SECONDS = 5.0
"""A budget below this is gone before the first candidate."""


def add_shared_options(parser: argparse.ArgumentParser) -> None:
    """The options of the verbs that try many candidates."""
    add_run_options(parser)
    parser.add_argument(
        "--budget", metavar="TIME", help="begin nothing after so long, such as 90s, 10min, 2h; the next call goes on"
    )
    parser.add_argument("--workers", type=int, default=None, metavar="N", help="processes; default: one for each core")


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """What it is about, on which data, and what counts."""
    parser.add_argument(
        "run",
        metavar="RUN",
        help="run id of a float training or of one of its variants, or its beginning; or a FILE.tflite",
    )
    parser.add_argument(
        "overrides", metavar="data.SETTING=...", nargs="*",
        help="where the data are, if not where they were; of a FILE.tflite all of it: data=NAME data.SETTING=...",
    )  # fmt: skip
    parser.add_argument("--metric", choices=METRICS, default="mean_iou", help="what counts; default: %(default)s")
    parser.add_argument(
        "--images",
        type=int,
        default=None,
        metavar="N",
        help="validation images at most; default: 256, or all there are",
    )


def deadline(text: str | None) -> float:
    """When `--budget TIME` is over, by `time.monotonic`; infinite without one.

    Raises:
        ConfigError: it is no time, or too short for anything.
    """
    if text is None:
        return float("inf")
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz ")
    unit = text[len(number) :].strip()
    try:
        seconds = float(number) * _UNITS[unit]
    except (ValueError, KeyError) as error:
        raise ConfigError(f"--budget {text}: is no time with a unit; give one like 90s, 10min or 2h") from error
    if not seconds >= _LEAST_SECONDS:
        raise ConfigError(f"--budget {text}: is too short to try anything; give {_LEAST_SECONDS:.0f}s at least")
    return time.monotonic() + seconds


def positive(option: str, value: int | None) -> None:
    """Raises ConfigError for a number below 1."""
    if value is not None and value < 1:
        raise ConfigError(f"{option} {value}: must be 1 or more")


def named(option: str, text: str, known: Sequence[str]) -> tuple[str, ...]:
    """The words of `A,B,...`, each once. Raises ConfigError for one that is not known, and for none."""
    names = tuple(dict.fromkeys(name for name in text.split(",") if name))
    strays = [name for name in names if name not in known]
    if strays or not names:
        raise ConfigError(
            f"{option} {text}: {strays[0] if strays else 'nothing'} is not known; there are {', '.join(known)}"
        )
    return names


def refuse_nothing_done(done: bool, budget: str | None) -> None:
    """Raises SegsweepError where the time was over before anything was known."""
    if not done:
        raise SegsweepError(
            f"--budget {budget}: was over before the first candidate was tried; give more of it "
            "(processes start in some seconds, int16 activations run slowly)"
        )


def is_file(text: str) -> bool:
    """Whether RUN is a file, and no run id."""
    return text.endswith(".tflite") or Path(text).is_file()


@contextlib.contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, and nothing elsewhere; what it gives is called with (done, wanted)."""
    if not sys.stderr.isatty():
        yield lambda done, wanted: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, wanted: bar.update(task, completed=done, total=wanted)
