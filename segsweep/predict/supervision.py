"""Starting the worker process, listening to it, and saying in one line how it came to an end."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from segsweep.errors import ModelError, SegsweepError
from segsweep.predict.child_process import answering, how_it_ended, messages_of
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
    models = ", ".join(request.models)
    stage, ended_well = "loading", False

    def patience() -> float | None:
        return timeout if stage in _TIMED else None

    with (
        log.open("wb") as output,
        answering("segsweep.predict.worker", request.to_json().encode(), output) as (descriptor, exit_status),
    ):
        for message in messages_of(descriptor, models, patience):
            _raise_if_wrong(message)
            stage = message.get("stage", stage)
            ended_well = ended_well or "areas" in message
            on_message(message)
        status = exit_status()
    if not ended_well:
        raise ModelError(f"{models}: predicting with it crashed: {how_it_ended(status)}{_last_line(log)}")


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
