"""Starting the worker process, listening to it, and saying in one line how it came to an end."""

import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import segsweep
from segsweep.errors import ModelError, SegsweepError
from segsweep.predict.request import Request

_TIMED = ("loading", "predicting")
"""The stages in which a model computes, and may do so for ever."""
_GDAL_CACHE_MIB = "16"
"""What GDAL keeps of blocks: what is read is kept here anyhow."""
_LOG = "worker.log"


def supervised(request: Request, on_message: Callable[[dict[str, Any]], None], timeout: float) -> None:
    """Has the request done by a process of its own.

    Args:
        request: what is asked.
        on_message: called with each message of the worker.
        timeout: seconds without one while a model computes, after which it is given up.

    Raises:
        SegsweepError: what the worker found wrong.
        ModelError: it crashed, or came to no end.
        RuntimeError: a defect of segsweep.
    """
    reading, writing = os.pipe()
    log = Path(request.staging) / _LOG
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "segsweep.predict.worker", str(writing)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                pass_fds=[writing],
                env=environment(),
            )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    try:
        with os.fdopen(reading, "rb", buffering=0) as messages:
            assert process.stdin is not None
            try:
                process.stdin.write(request.to_json().encode())
                process.stdin.close()
            except BrokenPipeError:
                pass
            ended_well = _listen(messages.fileno(), on_message, timeout, ", ".join(request.models))
        status = process.wait()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if not ended_well:
        raise ModelError(
            f"{', '.join(request.models)}: predicting with it crashed: {how_it_ended(status)}{_last_line(log)}"
        )


def _listen(descriptor: int, on_message: Callable[[dict[str, Any]], None], timeout: float, models: str) -> bool:
    """Until the worker closes the pipe; whether it had said that all is done."""
    stage, pending, ended_well = "loading", b"", False
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            if not selector.select(timeout if stage in _TIMED else None):
                raise ModelError(
                    f"{models}: gave no answer within {timeout:g} s, so it was stopped; "
                    "give a slow model more time with --timeout SECONDS"
                )
            data = os.read(descriptor, 2**16)
            if not data:
                return ended_well
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                message = json.loads(line)
                _raise_if_wrong(message)
                stage = message.get("stage", stage)
                ended_well = ended_well or "areas" in message
                on_message(message)


def _raise_if_wrong(message: dict[str, Any]) -> None:
    if "error" in message:
        raise SegsweepError(message["error"])
    if "defect" in message:
        raise RuntimeError(message["traceback"])


def environment() -> dict[str, str]:
    """As this process's, with segsweep where this process found it, and no threads but those of the interpreters."""
    source = str(Path(segsweep.__file__).parent.parent)
    path = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")]))
    return {
        **os.environ,
        "PYTHONPATH": path,
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "GDAL_CACHEMAX": _GDAL_CACHE_MIB,
    }


def how_it_ended(status: int) -> str:
    """The exit status of a process (negative: the number of a signal) in words."""
    if status == -signal.SIGKILL:
        return "the process was killed, as the system does when memory runs out"
    return f"the process ended by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return f" ({lines[-1].strip()})" if lines else ""
