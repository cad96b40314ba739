"""How many multiplications with weights a file does for one image."""

from collections.abc import Callable, Mapping
from math import prod

from segsweep.devices.graph import Graph, Operator, Tensor

_Count = Callable[[Tensor, Tensor, Tensor], int]


def _each_output(values: Tensor, weights: Tensor, output: Tensor) -> int:
    """Weights (C', h, w, C / groups) or (C', C): each output value takes all of its channel's."""
    return output.elements * prod(weights.shape[1:])


def _depthwise(values: Tensor, weights: Tensor, output: Tensor) -> int:
    """Weights (1, h, w, C')."""
    return output.elements * prod(weights.shape[1:3])


def _each_input(values: Tensor, weights: Tensor, output: Tensor) -> int:
    """Weights (C', h, w, C): each input value goes to h * w places of all output channels."""
    return values.elements * prod(weights.shape[:3])


def _volume(values: Tensor, weights: Tensor, output: Tensor) -> int:
    """Weights (d, h, w, C, C')."""
    return output.elements * prod(weights.shape[:4])


def _transposed_volume(values: Tensor, weights: Tensor, output: Tensor) -> int:
    """Weights (d, h, w, C', C)."""
    return values.elements * prod(weights.shape[:4])


_COUNTS: Mapping[str, tuple[int, int, _Count]] = {
    "CONV_2D": (0, 1, _each_output),
    "DEPTHWISE_CONV_2D": (0, 1, _depthwise),
    "TRANSPOSE_CONV": (2, 1, _each_input),
    "FULLY_CONNECTED": (0, 1, _each_output),
    "CONV_3D": (0, 1, _volume),
    "CONV_3D_TRANSPOSE": (2, 1, _transposed_volume),
}
"""From an operator to which of its inputs are values and weights, and how many multiplications they make."""


def multiplications(graph: Graph) -> int:
    """Multiply-accumulates of convolutions (depthwise and transposed ones too) and dense layers.

    Positions of a kernel beyond the image's edge count, as is usual. Element-wise operators, resizing and products of
    two computed matrices do not.
    """
    return sum(multiplications_of(graph, operator) for operator in graph.operators)


def multiplications_of(graph: Graph, operator: Operator) -> int:
    """The same of one operator; 0 where it multiplies nothing with weights."""
    if operator.name not in _COUNTS:
        return 0
    values, weights, count = _COUNTS[operator.name]
    tensors = graph.tensors
    return count(tensors[operator.inputs[values]], tensors[operator.inputs[weights]], tensors[operator.outputs[0]])
