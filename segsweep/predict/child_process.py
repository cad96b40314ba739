"""A process of its own for a model file: a foreign or broken one may crash it, and no more."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import segsweep
from segsweep.errors import ModelError

_GDAL_CACHE_MIB = "16"
"""What GDAL keeps of blocks: what is read is kept here anyhow."""
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**26)}
"""Bytes that glibc gives back at once, and keeps: rows of a scene are as large again and again, and what the system
gives anew is filled with zeros first."""


def started(module: str, output: BinaryIO | int) -> tuple[subprocess.Popen[bytes], int]:
    """Runs a module with the number of the descriptor as its argument to which it writes its messages.

    Args:
        module: name of the module.
        output: where its standard output and error go, as `subprocess` takes them.

    Returns:
        The process, whose standard input is a pipe, and the descriptor of its messages, the caller's to close.
    """
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, str(writing)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            pass_fds=[writing],
            env=_environment(),
        )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return process, reading


@contextlib.contextmanager
def answering(module: str, question: bytes, output: BinaryIO | int) -> Iterator[tuple[int, Callable[[], int]]]:
    """Has one question answered by a process, which is ended with the block if it is still there.

    Args:
        module: as `started` takes it.
        question: what the process is to read from its standard input.
        output: as `started` takes it.

    Yields:
        The descriptor to read its messages from, and what waits for its exit status.
    """
    process, reading = started(module, output)
    try:
        with os.fdopen(reading, "rb", buffering=0) as messages:
            assert process.stdin is not None
            # Where the process is gone, its exit status says so.
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(question)
                process.stdin.close()
            yield messages.fileno(), process.wait
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def messages_of(descriptor: int, models: str, patience: Callable[[], float | None]) -> Iterator[dict[str, Any]]:
    """What a process says, a JSON object a line, until it closes its end.

    Args:
        descriptor: where to read.
        models: what the process works with.
        patience: asked before each wait: so many seconds, or None for any time.

    Raises:
        ModelError: nothing came in that time.
    """
    pending = b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            seconds = patience()
            if not selector.select(seconds):
                assert seconds is not None
                raise no_answer(models, seconds)
            data = os.read(descriptor, 2**16)
            if not data:
                return
            *lines, pending = (pending + data).split(b"\n")
            yield from map(json.loads, lines)


def how_it_ended(status: int) -> str:
    """The exit status of a process (negative: the number of a signal) in words."""
    if status == -signal.SIGKILL:
        return "the process was killed, as the system does when memory runs out"
    return f"the process ended by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


def no_answer(models: str, timeout: float) -> ModelError:
    """What is said of models that were stopped after so many seconds."""
    return ModelError(
        f"{models}: gave no answer within {timeout:g} s, so it was stopped; "
        "give a slow model more time with --timeout SECONDS"
    )


def _environment() -> dict[str, str]:
    """As this process's, with segsweep where this process found it, and no threads but those of the interpreters."""
    source = str(Path(segsweep.__file__).parent.parent)
    path = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")]))
    return {
        **_MALLOC,
        **os.environ,
        "PYTHONPATH": path,
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "GDAL_CACHEMAX": _GDAL_CACHE_MIB,
    }
