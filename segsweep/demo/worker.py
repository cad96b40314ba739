"""The process that looks at images for the page: whatever a model or an image does to it, the server goes on.

Started as `python -m segsweep.demo.worker DESCRIPTOR`. Reads a request as a line of JSON from its standard input, then
for each image a line of JSON and the image's bytes; writes an answer, a line of JSON, to the descriptor for each.
"""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from segsweep.errors import SegsweepError, reason_of
from segsweep.predict.request import Request
from segsweep.predict.worker import OUT_OF_MEMORY, limit_memory

_SECONDS_BETWEEN_LOOKS = 1.0


def main() -> None:
    """Answers until its standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=[os.getppid()], daemon=True).start()
    limit_memory()
    asked = sys.stdin.buffer
    with os.fdopen(int(sys.argv[1]), "w", encoding="utf-8") as told:

        def say(message: dict[str, Any]) -> None:
            told.write(json.dumps(message) + "\n")
            told.flush()

        from segsweep.demo.answers import Answers

        found: list[Answers] = []

        def load() -> dict[str, Any]:
            found.append(Answers(Request.from_json(asked.readline().decode())))
            return found[0].facts()

        say(_answer(load))
        while found and (line := asked.readline()):
            image = json.loads(line)
            content = asked.read(image["bytes"])
            say(_answer(lambda: found[0].of_image(image["name"], content, image["whole"])))  # noqa: B023


def _answer(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What is found, or what is wrong."""
    try:
        return {"found": work()}
    except SegsweepError as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": OUT_OF_MEMORY}
    except Exception as error:
        import traceback

        return {"defect": reason_of(error), "traceback": traceback.format_exc()}


def _end_with_parent(parent: int) -> None:
    """A model that computes for ever does not outlive the page, however that ended."""
    while os.getppid() == parent:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    os._exit(1)


if __name__ == "__main__":
    main()
