"""A process that runs one file with TensorFlow Lite Micro and with LiteRT's reference kernels.

It stands alone because Micro ends the process for some files, and says how much memory it took, and what is wrong, on
standard error only.

Standard input: a line of JSON (`arena`: bytes; `compare`: bool), then the file. Standard output: a line of JSON.
"""

import json
import sys
from typing import Any

import numpy as np


def _reference(model: bytes) -> tuple[np.ndarray, np.ndarray]:
    """An image of random numbers in the input's whole range, and what LiteRT's reference kernels make of it."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    reference = Interpreter(model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    reference.allocate_tensors()
    (given,), (wanted,) = reference.get_input_details(), reference.get_output_details()
    random = np.random.default_rng(0)
    if np.issubdtype(given["dtype"], np.integer):
        limits = np.iinfo(given["dtype"])
        image = random.integers(limits.min, limits.max + 1, given["shape"]).astype(given["dtype"])
    else:
        image = random.normal(size=given["shape"]).astype(given["dtype"])
    reference.set_tensor(given["index"], image)
    reference.invoke()
    return image, reference.get_tensor(wanted["index"])


def _compared(interpreter: Any, model: bytes) -> dict[str, float]:
    """How much of Micro's output is the same; empty where LiteRT cannot run the file so."""
    try:
        image, expected = _reference(model)
    except (RuntimeError, ValueError):
        return {}
    interpreter.set_input(image, 0)
    interpreter.invoke()
    found = interpreter.get_output(0).reshape(expected.shape)
    return {
        "equal": float((found == expected).mean()),
        "same_class": float((found.argmax(axis=-1) == expected.argmax(axis=-1)).mean()),
    }


def main() -> None:
    options = json.loads(sys.stdin.buffer.readline())
    model = sys.stdin.buffer.read()
    from tflite_micro import __version__, runtime

    answer: dict[str, Any] = {"version": str(__version__)}
    try:
        interpreter = runtime.Interpreter.from_bytes(model, arena_size=options["arena"])
        interpreter.print_allocations()
        if options["compare"]:
            answer |= _compared(interpreter, model)
    except (RuntimeError, ValueError) as error:
        answer["error"] = str(error)
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
