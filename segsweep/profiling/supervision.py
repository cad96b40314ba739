"""A profile made by a process of its own, since files of others may crash it or never end."""

import json
import subprocess
from collections import deque
from pathlib import Path

from segsweep.errors import ModelError
from segsweep.predict.child_process import answering, how_it_ended, messages_of
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
    question = json.dumps({"path": str(path.absolute()), "threads": threads, "seconds": seconds}).encode()
    with answering("segsweep.profiling.worker", question, subprocess.DEVNULL) as (descriptor, exit_status):
        # Before the last there are signs of life.
        last = deque(messages_of(descriptor, what, lambda: timeout), maxlen=1)
        status = exit_status()
    answer = last[0] if last else {}
    if "found" in answer:
        return Profile.of(answer["found"])
    if "error" in answer:
        raise ModelError(f"{what}: {answer['error']}")
    if "defect" in answer:
        raise RuntimeError(answer["traceback"])
    raise ModelError(f"{what}: running it crashed: {how_it_ended(status)}")
