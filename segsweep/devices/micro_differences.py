"""Which operators TensorFlow Lite Micro computes otherwise than LiteRT's reference kernels."""

import json
import subprocess
import sys
from pathlib import Path

from segsweep.devices.graph import Graph
from segsweep.tflite.cutting import cut
from segsweep.tflite.flatbuffer import unpack

_SECONDS = 120


def unequal_operators(model: bytes, graph: Graph, arena: int) -> tuple[str, ...]:
    """Kinds of operators and their types, as `HARD_SWISH int16`, whose values are not all equal, bit for bit.

    Each runs alone, on what the reference kernels give it within the whole file. Empty where none differs so, or where
    Micro cannot run them alone.

    Args:
        model: a file that Micro runs.
        graph: of it.
        arena: bytes that are enough for it.
    """
    content = unpack(model)
    parts = [cut(content, [number], {}) for number in range(len(graph.operators))]
    options = {
        "arena": arena,
        "parts": [
            {"bytes": len(part.content), "inputs": part.inputs, "outputs": [int(each) for each in part.outputs]}
            for part in parts
        ],
    }
    question = json.dumps(options).encode() + b"\n" + b"".join(part.content for part in parts) + model
    command = [sys.executable, "-P", str(Path(__file__).with_name("micro_process.py"))]
    try:
        done = subprocess.run(command, input=question, capture_output=True, timeout=_SECONDS)
        unequal = json.loads(done.stdout.splitlines()[-1])["unequal"]
    except (OSError, subprocess.TimeoutExpired, LookupError, ValueError):
        return ()
    operators = [graph.operators[number] for number in unequal]
    return tuple(dict.fromkeys(f"{each.name} {graph.tensors[each.outputs[0]].dtype}" for each in operators))
