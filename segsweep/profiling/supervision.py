"""A profile made by a process of its own, since files of others may crash it or never end."""

import json
import os
import selectors
import subprocess
from pathlib import Path
from typing import Any

from segsweep.errors import ModelError
from segsweep.predict.child_process import how_it_ended, no_answer, started
from segsweep.profiling.profile import Profile


def supervised_profile(path: Path, what: str, *, threads: int, seconds: float, timeout: float) -> Profile:
    """The profile of the file at `path`.

    Args:
        path: of the file.
        what: how it is called where something is wrong.
        threads: of the interpreter.
        seconds: how long to measure, about.
        timeout: seconds that one invoke may take, or loading.

    Raises:
        ModelError: it is no `.tflite` file, LiteRT cannot run it, it crashed, or came to no end.
        RuntimeError: a defect of segsweep.
    """
    process, reading = started("segsweep.profiling.worker", subprocess.DEVNULL)
    try:
        with os.fdopen(reading, "rb", buffering=0) as messages:
            assert process.stdin is not None
            try:
                asked = {"path": str(path.absolute()), "threads": threads, "seconds": seconds}
                process.stdin.write(json.dumps(asked).encode())
                process.stdin.close()
            except BrokenPipeError:
                pass
            answer = _answer(messages.fileno(), timeout, what)
        status = process.wait()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if "found" in answer:
        return Profile.of(answer["found"])
    if "error" in answer:
        raise ModelError(f"{what}: {answer['error']}")
    if "defect" in answer:
        raise RuntimeError(answer["traceback"])
    raise ModelError(f"{what}: running it crashed: {how_it_ended(status)}")


def _answer(descriptor: int, timeout: float, what: str) -> dict[str, Any]:
    """The last message before the process closes the pipe; empty where there is none but signs of life."""
    last, pending = b"{}", b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            if not selector.select(timeout):
                raise no_answer(what, timeout)
            data = os.read(descriptor, 2**16)
            if not data:
                found: dict[str, Any] = json.loads(last)
                return found
            *lines, pending = (pending + data).split(b"\n")
            last = lines[-1] if lines else last
