"""A process that runs one file with TensorFlow Lite Micro and with LiteRT's reference kernels.

It stands alone because Micro ends the process for some files, and says how much memory it took, and what is wrong, on
standard error only.

Standard input: a line of JSON (`arena`: bytes; `compare`: bool), then the file. Standard output: a line of JSON.
With `parts` (their `bytes`, and which tensors of the file are their `inputs` and `outputs`) the parts come before the
file, and the answer is the numbers of those that do not compute what the file does: `unequal`.
"""

import json
import sys
from typing import Any

import numpy as np


def _reference(model: bytes, keep: bool = False) -> tuple[np.ndarray, Any]:
    """An image of random numbers in the input's whole range, and LiteRT's reference kernels after they ran on it.

    With `keep`, all tensors are as they were computed.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    reference = Interpreter(
        model_content=model,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=keep,
    )
    reference.allocate_tensors()
    (given,) = reference.get_input_details()
    random = np.random.default_rng(0)
    if np.issubdtype(given["dtype"], np.integer):
        limits = np.iinfo(given["dtype"])
        image = random.integers(limits.min, limits.max + 1, given["shape"]).astype(given["dtype"])
    else:
        image = random.normal(size=given["shape"]).astype(given["dtype"])
    reference.set_tensor(given["index"], image)
    reference.invoke()
    return image, reference


def _compared(interpreter: Any, model: bytes) -> dict[str, float]:
    """How much of Micro's output is the same; empty where LiteRT cannot run the file so."""
    try:
        image, reference = _reference(model)
    except (RuntimeError, ValueError):
        return {}
    (wanted,) = reference.get_output_details()
    expected = reference.get_tensor(wanted["index"])
    interpreter.set_input(image, 0)
    interpreter.invoke()
    found = interpreter.get_output(0).reshape(expected.shape)
    return {
        "equal": float((found == expected).mean()),
        "same_class": float((found.argmax(axis=-1) == expected.argmax(axis=-1)).mean()),
    }


def _unequal(options: dict[str, Any], parts: list[bytes], model: bytes) -> list[int]:
    """Numbers of the parts that Micro computes otherwise, from the same inputs; not of those that it cannot run."""
    from tflite_micro import runtime

    _, reference = _reference(model, keep=True)
    found = []
    for number, (part, described) in enumerate(zip(parts, options["parts"], strict=True)):
        try:
            interpreter = runtime.Interpreter.from_bytes(part, arena_size=options["arena"])
            for place, index in enumerate(described["inputs"]):
                interpreter.set_input(reference.get_tensor(index), place)
            interpreter.invoke()
        except (RuntimeError, ValueError):
            continue
        expected = [reference.get_tensor(index) for index in described["outputs"]]
        if any(
            not np.array_equal(interpreter.get_output(place).reshape(each.shape), each)
            for place, each in enumerate(expected)
        ):
            found.append(number)
    return found


def main() -> None:
    options = json.loads(sys.stdin.buffer.readline())
    parts = [sys.stdin.buffer.read(each["bytes"]) for each in options.get("parts", ())]
    model = sys.stdin.buffer.read()
    if parts:
        print(json.dumps({"unequal": _unequal(options, parts, model)}), flush=True)
        return
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
