"""A process of its own for a model file: a foreign or broken one may crash it, and no more."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

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
