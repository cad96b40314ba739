"""Keeping the chatter of libraries off the terminal."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

VERBOSE_VARIABLE = "SEGSWEEP_VERBOSE"
"""Set to `1` by `--verbose`: then nothing is kept off the terminal."""


@contextlib.contextmanager
def quiet(log: Path) -> Iterator[None]:
    """Send all that this process writes to standard output and error, C++ libraries included, to the end of `log`."""
    if os.environ.get(VERBOSE_VARIABLE) == "1":
        yield
        return
    sys.stdout.flush()
    sys.stderr.flush()
    log.parent.mkdir(parents=True, exist_ok=True)
    saved = [os.dup(1), os.dup(2)]
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.dup2(target, 1)
        os.dup2(target, 2)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, original in zip((1, 2), saved, strict=True):
            os.dup2(original, descriptor)
            os.close(original)
        os.close(target)
