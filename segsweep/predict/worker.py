"""The process that does the work: whatever a model or an image does to it, the one that asked goes on.

Started as `python -m segsweep.predict.worker DESCRIPTOR`; reads the request as JSON from its standard input and writes
messages, a JSON object a line, to the descriptor.
"""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from typing import IO, Any

from segsweep.errors import SegsweepError, reason_of
from segsweep.predict.request import Request

_SHARE_OF_MEMORY = 0.75
"""Of the machine's memory: more is refused to this process, so that a model that asks for all of it fails alone."""
_BETWEEN_MESSAGES = 0.1
"""Seconds."""
OUT_OF_MEMORY = "out of memory: the model or the image needs more than three quarters of what this machine has"
"""What is said of a model or an image that asked for too much."""


class Messages:
    """What the process that asked is told."""

    def __init__(self, file: IO[str]):
        self._file = file
        self._lock = threading.Lock()
        self._done = 0
        self._last = 0.0

    def say(self, **message: Any) -> None:
        """One message, at once."""
        with self._lock:
            self._file.write(json.dumps(message) + "\n")
            self._file.flush()

    def stage(self, name: str) -> None:
        """What is done from now on: `loading`, `reading`, `predicting` or `writing`."""
        self.say(stage=name)

    def tiles(self, more: int) -> None:
        """So many more tiles are predicted."""
        with self._lock:
            self._done += more
            due = time.monotonic() - self._last >= _BETWEEN_MESSAGES
            self._last = time.monotonic() if due else self._last
        if due:
            self.say(tiles=self._done)


def main() -> None:
    """Answers one request; always ends with status 0 if it can say what went wrong."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit_memory()
    with os.fdopen(int(sys.argv[1]), "w", encoding="utf-8") as file:
        messages = Messages(file)
        try:
            from segsweep.predict.answering import answer

            answer(Request.from_json(sys.stdin.read()), messages)
        except SegsweepError as error:
            messages.say(error=str(error))
        except MemoryError:
            messages.say(error=OUT_OF_MEMORY)
        except OSError as error:
            messages.say(error=f"{error.filename or 'the output'}: {error.strerror or error}; nothing of it is kept")
        except Exception as error:
            import traceback

            messages.say(defect=reason_of(error), traceback=traceback.format_exc())


def limit_memory() -> None:
    """From now on this process fails alone where it asks for more than a share of the machine's memory."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        most = int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * _SHARE_OF_MEMORY)
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
    # All is said and on the disk; to take everything apart would take as long as to map a small scene.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
