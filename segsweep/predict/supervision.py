"""Starting the worker process, listening to it, and saying in one line how it came to an end."""

import json
import os
import selectors
from collections.abc import Callable
from pathlib import Path
from typing import Any

from segsweep.errors import ModelError, SegsweepError
from segsweep.predict.child_process import how_it_ended, no_answer, started
from segsweep.predict.request import Request

_TIMED = ("loading", "predicting")
"""The stages in which a model computes, and may do so for ever."""
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
    log = Path(request.staging) / _LOG
    with log.open("wb") as output:
        process, reading = started("segsweep.predict.worker", output)
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
                raise no_answer(models, timeout)
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


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return f" ({lines[-1].strip()})" if lines else ""
