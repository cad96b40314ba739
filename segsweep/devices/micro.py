"""What TensorFlow Lite Micro makes of a file: the memory it takes, and whether it computes the same."""

import importlib.util
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "tflite_micro"
"""Comes with the extra `micro`."""
MOST_COMPARED = 1_000_000_000
"""Files of more multiplications are not run, only prepared: the reference kernels do some two of these a second."""
_SECONDS = 120
_SPARE_BYTES = 8 << 20

_ARENA = re.compile(r"Arena allocation total (\d+) bytes.*?Arena allocation head (\d+) bytes", re.DOTALL)
_PLACE = re.compile(r"^\S+\.(?:cc|h):?\d*:? ?")


@dataclass(frozen=True)
class MicroRun:
    """How a file fared."""

    arena_bytes: int | None
    """The arena that it really took on this 64-bit machine. Where pointers have 32 bits it takes a little less, with
    kernels made for a chip (CMSIS-NN, ESP-NN) some more. None where it could not be prepared."""
    equal: float | None
    """Share of the output's values that are, bit for bit, LiteRT's reference kernels' ones; None where not compared."""
    same_class: float | None
    """Share of the pixels with the same class."""
    error: str
    """Why it could not be run, one line; empty where it could."""
    version: str
    """Of the package."""
    tensor_bytes: int | None = None
    """What of the arena its plan gave to tensors; the rest are structures that stay. None as above."""
    unequal: tuple[str, ...] = ()
    """Where not all is equal, the kinds of operators that differ from the same inputs, as `MUL int16`; empty where that
    is foreseen from the file, and where it cannot be told."""


def is_installed() -> bool:
    """Whether the package is there."""
    return importlib.util.find_spec(PACKAGE) is not None


def enough_bytes(model: bytes, planned: int) -> int:
    """An arena in which a file surely fits, `planned` being one for its tensors."""
    return 2 * planned + len(model) + _SPARE_BYTES


def run_micro(model: bytes, planned: int, macs: int) -> MicroRun | None:
    """Run a file on one image of random numbers; None where the package is not installed.

    Args:
        model: the `.tflite` file.
        planned: bytes of an arena for its tensors.
        macs: multiplications of one run.
    """
    if not is_installed():
        return None
    options = {"arena": enough_bytes(model, planned), "compare": macs <= MOST_COMPARED}
    # Not as a module: what it needs of segsweep is nothing. -P keeps its folder, with a `profile.py`, off the path.
    command = [sys.executable, "-P", str(Path(__file__).with_name("micro_process.py"))]
    try:
        done = subprocess.run(
            command, input=json.dumps(options).encode() + b"\n" + model, capture_output=True, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired:
        return MicroRun(None, None, None, f"not done within {_SECONDS} s", "")
    except OSError as error:
        return MicroRun(None, None, None, f"its process cannot be started: {error.strerror}", "")
    said = done.stderr.decode(errors="replace")
    took = _ARENA.search(said)
    arena, tensors = (int(took[1]), int(took[2])) if took else (None, None)
    try:
        answer = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        return MicroRun(arena, None, None, f"its process ended with status {done.returncode}", "")
    why = _why(said, answer["error"]) if "error" in answer else ""
    return MicroRun(arena, answer.get("equal"), answer.get("same_class"), why, answer["version"], tensors)


def _why(said: str, error: str) -> str:
    """The reason among what Micro printed, without places in its source; the error itself where it printed nothing."""
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith("[Recording")]
    return "; ".join(dict.fromkeys(_PLACE.sub("", line) for line in lines[-2:])) or error
