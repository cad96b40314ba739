"""How much memory a file needs while it runs, from the lifetimes of its tensors.

A tensor lives from the operator that makes it to the last one that reads it; inputs from the first operator on, outputs
to the last. Weights stay in flash; those of 4 bits are unpacked while their operator runs. Two numbers come of it: what
is alive at once, which no plan can go below, and what an arena takes where each tensor keeps its place. The plan is
greedy by size (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020), as that of
TensorFlow Lite Micro: the largest tensor first, each into the first gap among those that live at the same time, at
multiples of 16 bytes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from segsweep.devices.four_bit_kernels import unpacked_bytes
from segsweep.devices.graph import Graph, Operator

ALIGNMENT = 16
"""Bytes, of TensorFlow Lite Micro and LiteRT's buffers; a power of 2."""

_ACCUMULATOR_BYTES: Mapping[tuple[str, str], int] = {("TRANSPOSE_CONV", "int8"): 4, ("TRANSPOSE_CONV", "int16"): 8}
"""Of each output value, for operators and data types whose reference kernels sum up in a buffer of their own."""


@dataclass(frozen=True)
class Lifetime:
    """A stretch of memory and when it is in use."""

    bytes: int
    first: int
    """Number of the operator at which it begins."""
    last: int
    """Number of the operator at which it ends, that one included."""

    def meets(self, other: "Lifetime") -> bool:
        """Whether there is an operator at which both are in use."""
        return self.first <= other.last and other.first <= self.last


def lifetimes(graph: Graph) -> list[Lifetime]:
    """Those of all tensors that are computed, and of what operators sum up in or unpack."""
    end = max(0, len(graph.operators) - 1)
    first: dict[int, int] = dict.fromkeys(graph.inputs, 0)
    last: dict[int, int] = dict.fromkeys(graph.inputs, 0)
    sums = []
    for number, operator in enumerate(graph.operators):
        for index in operator.outputs:
            first.setdefault(index, number)
            last[index] = max(last.get(index, 0), number)
        for index in operator.inputs:
            last[index] = number
        sums.append(Lifetime(_accumulators(graph, operator), number, number))
        sums.append(Lifetime(unpacked_bytes(graph, operator), number, number))
    last |= dict.fromkeys(graph.outputs, end)
    for index, tensor in enumerate(graph.tensors):
        if tensor.is_variable:
            first[index], last[index] = 0, end
    found = [
        Lifetime(tensor.bytes, first[index], last[index])
        for index, tensor in enumerate(graph.tensors)
        if index in first and not tensor.is_stored
    ]
    return [each for each in found + sums if each.bytes]


def peak_bytes(alive: Iterable[Lifetime]) -> int:
    """The most that is in use at any operator."""
    changes: dict[int, int] = {}
    for each in alive:
        changes[each.first] = changes.get(each.first, 0) + each.bytes
        changes[each.last + 1] = changes.get(each.last + 1, 0) - each.bytes
    most = now = 0
    for number in sorted(changes):
        now += changes[number]
        most = max(most, now)
    return most


def arena_bytes(alive: Iterable[Lifetime]) -> int:
    """What an arena takes whose places are given greedily by size; 0 or more above :func:`peak_bytes`."""
    placed: list[tuple[int, int, Lifetime]] = []
    # Of equal ones the last first, as Micro does it: the order of these decides what fits between them.
    for each in sorted(alive, key=lambda one: one.bytes)[::-1]:
        size, start = -(-each.bytes // ALIGNMENT) * ALIGNMENT, 0
        for begin, finish, other in placed:
            if other.meets(each):
                if begin - start >= size:
                    break
                start = max(start, finish)
        placed.append((start, start + size, each))
        placed.sort(key=lambda one: one[0])
    return max((finish for _, finish, _ in placed), default=0)


def _accumulators(graph: Graph, operator: Operator) -> int:
    output = graph.tensors[operator.outputs[0]] if operator.outputs else None
    if output is None:
        return 0
    return _ACCUMULATOR_BYTES.get((operator.name, output.dtype), 0) * output.elements
