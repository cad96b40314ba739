"""Each operator of a file as a file of its own, with the inputs that it has within the whole."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from segsweep.devices.graph import Graph
from segsweep.errors import ModelError
from segsweep.tflite.cutting import cut
from segsweep.tflite.flatbuffer import reason


@dataclass(frozen=True)
class OperatorFile:
    """An operator, and what it needs to run alone."""

    number: int
    """Its place in the whole file, from 0."""
    content: bytes = field(repr=False)
    inputs: tuple[np.ndarray, ...] = field(repr=False)


@dataclass(frozen=True)
class WholeRun:
    """One run of the whole file."""

    inputs: tuple[np.ndarray, ...] = field(repr=False)
    _interpreter: Interpreter = field(repr=False)
    _kept: bool
    """Whether all tensors are as they were computed."""

    def value(self, index: int) -> np.ndarray:
        """Of a tensor; noise of its type where it was not kept. Raises ValueError where NumPy cannot hold it."""
        if self._kept:
            return np.asarray(self._interpreter.get_tensor(index))
        return _noise(self._interpreter._get_tensor_details(index, 0))

    def shape(self, index: int) -> tuple[int, ...]:
        """Of a tensor, as it was in this run."""
        return tuple(int(size) for size in self._interpreter._get_tensor_details(index, 0)["shape"])


def whole_run(model: bytes, *, delegates: bool) -> WholeRun:
    """Run a file on noise: standard normal, as normalized images are; where its type is no number, zeros.

    All tensors are kept with LiteRT's builtin kernels; some files only XNNPACK runs, which keeps none.

    Raises ModelError where LiteRT cannot run it; XNNPACK is left out without `delegates`.
    """
    try:
        return _run(model, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, keep=True)
    except (ValueError, RuntimeError) as error:
        failed = error
    if delegates:
        with contextlib.suppress(ValueError, RuntimeError):
            return _run(model, OpResolverType.AUTO, keep=False)
    raise ModelError(f"LiteRT cannot run the .tflite file: {reason(failed)}") from failed


def _run(model: bytes, resolver: OpResolverType, *, keep: bool) -> WholeRun:
    interpreter = Interpreter(
        model_content=model,
        num_threads=1,
        experimental_op_resolver_type=resolver,
        experimental_preserve_all_tensors=keep,
    )
    interpreter.allocate_tensors()
    details = interpreter.get_input_details()
    inputs = tuple(_noise(each) for each in details)
    for detail, values in zip(details, inputs, strict=True):
        interpreter.set_tensor(detail["index"], values)
    interpreter.invoke()
    return WholeRun(inputs, interpreter, keep)


def operator_files(content: schema.ModelT, graph: Graph, run: WholeRun) -> Iterator[OperatorFile]:
    """The operators that a run computes, in order; one that cannot be run alone has no content.

    What depends on constants alone, as the DEQUANTIZE of stored weights, goes with each operator that reads it: most
    kernels do such work once, when the file is loaded, and only those that do not may count it.
    """
    prepared = constant_operators(graph)
    makers = {index: number for number in prepared for index in graph.operators[number].outputs}
    for number, operator in enumerate(graph.operators):
        if number in prepared:
            continue
        needed = {number}
        waiting = list(operator.inputs)
        while waiting:
            maker = makers.get(waiting.pop())
            if maker is not None and maker not in needed:
                needed.add(maker)
                waiting.extend(graph.operators[maker].inputs)
        touched = {
            index for each in needed for index in (*graph.operators[each].inputs, *graph.operators[each].outputs)
        }
        try:
            shapes = {index: run.shape(index) for index in touched if index >= 0 and not graph.tensors[index].is_stored}
            found = cut(content, sorted(needed), shapes)
            yield OperatorFile(number, found.content, tuple(run.value(index) for index in found.inputs))
        except (ValueError, RuntimeError):
            yield OperatorFile(number, b"", ())


def constant_operators(graph: Graph) -> set[int]:
    """Numbers of the operators whose inputs are all stored, or made by such operators."""
    known = {index for index, tensor in enumerate(graph.tensors) if tensor.is_stored}
    found = set()
    for number, operator in enumerate(graph.operators):
        if all(index in known for index in operator.inputs if index >= 0) and not set(operator.outputs) & set(
            graph.outputs
        ):
            found.add(number)
            known.update(operator.outputs)
    return found


def _noise(detail: dict[str, Any]) -> np.ndarray:
    kind, shape = detail["dtype"], tuple(detail["shape"])
    values = np.random.default_rng(0).standard_normal(shape)
    if np.issubdtype(kind, np.floating):
        return values.astype(kind)
    scale, zero_point = detail["quantization"]
    if not np.issubdtype(kind, np.integer) or not scale > 0:
        return np.zeros(shape, kind)
    limits = np.iinfo(kind)
    return np.clip(np.rint(values / scale) + zero_point, limits.min, limits.max).astype(kind)
