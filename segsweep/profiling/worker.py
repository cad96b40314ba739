"""The process that measures: whatever a file does to it, the one that asked goes on.

Started as `python -m segsweep.profiling.worker DESCRIPTOR`; reads what is asked as JSON from its standard input, and
writes messages, a JSON object a line, to the descriptor: signs of life, and at last what was found or what is wrong.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from segsweep.errors import SegsweepError, reason_of
from segsweep.predict.worker import limit_memory

_BETWEEN_SIGNS = 0.5
"""Seconds."""


def main() -> None:
    """Answers one request; always ends with status 0 if it can say what went wrong."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit_memory()
    with os.fdopen(int(sys.argv[1]), "w", encoding="utf-8") as file:

        def say(**message: Any) -> None:
            file.write(json.dumps(message) + "\n")
            file.flush()

        last = time.monotonic()

        def sign() -> None:
            nonlocal last
            if time.monotonic() - last >= _BETWEEN_SIGNS:
                last = time.monotonic()
                say(alive=True)

        try:
            from segsweep.profiling.profile import profile

            asked = json.loads(sys.stdin.read())
            model = Path(asked["path"]).read_bytes()
            found = profile(model, threads=asked["threads"], seconds=asked["seconds"], sign=sign)
            say(found=found.as_dict())
        except SegsweepError as error:
            say(error=str(error))
        except OSError as error:
            say(error=f"cannot be read ({error.strerror})")
        except MemoryError:
            say(error="out of memory: it needs more than three quarters of what this machine has")
        except Exception as error:
            import traceback

            say(defect=reason_of(error), traceback=traceback.format_exc())


if __name__ == "__main__":
    main()
