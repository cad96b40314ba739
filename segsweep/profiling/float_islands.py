"""Float operators inside a file that otherwise computes with integers, and the conversions around them."""

from collections.abc import Collection
from dataclasses import dataclass

from segsweep.devices.graph import Graph, Operator

FLOATS = ("float16", "bfloat16", "float32", "float64")
INTEGERS = ("int4", "int8", "uint8", "int16")
"""Types that activations are quantized to."""


@dataclass(frozen=True)
class FloatIsland:
    """Operators that hand each other float tensors."""

    operators: tuple[int, ...]
    """Numbers of those that compute; none where a float tensor is only converted, as at a model's float input."""
    conversions: tuple[int, ...]
    """Numbers of the QUANTIZE and DEQUANTIZE around them."""
    takes_input: bool
    """Whether the model's input is one of its tensors."""
    gives_output: bool
    """Whether the model's output is."""


def float_islands(graph: Graph, constant: Collection[int]) -> tuple[FloatIsland, ...]:
    """The islands in the order of their first operators; none in a file that computes with floats alone.

    Args:
        graph: of the file.
        constant: numbers of the operators that depend on constants alone, which are no part of what is computed.
    """
    computed = [number for number in range(len(graph.operators)) if number not in constant]
    if not any(_is_integer(graph, graph.operators[number]) for number in computed):
        return ()
    stored = {index for number in constant for index in graph.operators[number].outputs}
    touched = {number: _float_tensors(graph, graph.operators[number]) - stored for number in computed}
    found: list[tuple[set[int], set[int]]] = []
    for number, tensors in touched.items():
        if not tensors:
            continue
        near = [each for each in found if each[1] & tensors]
        found = [each for each in found if not each[1] & tensors]
        found.append(({number}.union(*(each[0] for each in near)), tensors.union(*(each[1] for each in near))))
    return tuple(sorted((_island(graph, *each) for each in found), key=_first))


def _island(graph: Graph, numbers: set[int], tensors: set[int]) -> FloatIsland:
    is_border = {number: graph.operators[number].name in ("QUANTIZE", "DEQUANTIZE") for number in sorted(numbers)}
    return FloatIsland(
        operators=tuple(number for number, border in is_border.items() if not border),
        conversions=tuple(number for number, border in is_border.items() if border),
        takes_input=bool(tensors.intersection(graph.inputs)),
        gives_output=bool(tensors.intersection(graph.outputs)),
    )


def _first(island: FloatIsland) -> int:
    return min((*island.operators, *island.conversions))


def _float_tensors(graph: Graph, operator: Operator) -> set[int]:
    """Those that are computed, not stored."""
    touched = {index for index in (*operator.inputs, *operator.outputs) if index >= 0}
    return {index for index in touched if graph.tensors[index].dtype in FLOATS and not graph.tensors[index].is_stored}


def _is_integer(graph: Graph, operator: Operator) -> bool:
    """Whether it computes with integer activations; those that only convert do not count."""
    if operator.name in ("QUANTIZE", "DEQUANTIZE"):
        return False
    read = [graph.tensors[index] for index in operator.inputs if index >= 0 and not graph.tensors[index].is_stored]
    return any(tensor.dtype in INTEGERS for tensor in read)
