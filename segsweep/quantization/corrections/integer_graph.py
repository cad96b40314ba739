"""The weighted operators of the integer file that was made of a float file, with integers that can be replaced."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from segsweep.quantization.corrections.float_graph import WeightedOperator, along, places_of
from segsweep.tflite.flatbuffer import unpack

_DTYPES: Mapping[int, type] = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.INT8: np.int8,
    schema.TensorType.INT32: np.int32,
    schema.TensorType.INT64: np.int64,
}
_WEIGHTS = 1


@dataclass(frozen=True)
class IntegerWeights:
    """Weights as an integer file has them."""

    integers: np.ndarray = field(repr=False)
    """Int32, in the weights' shape."""
    scale: np.ndarray = field(repr=False)
    """Float32, of a shape to multiply them with."""
    largest: int
    """Integer of the largest weight: 127 of 8 bits, 7 of 4."""

    @property
    def restored(self) -> np.ndarray:
        """Float32: what the integers stand for.

        The plain quantizer makes these integers of them again, where each scale has a weight with the largest integer.
        It divides that weight by the integer, and what it divided so before comes out the same, bit for bit; a scale
        that another algorithm found may differ in its last bit.
        """
        return self.integers.astype(np.float32) * self.scale


class IntegerGraph:
    """An integer file as an object that changes; layers are found by the name of what they make in the float file."""

    def __init__(self, integer_model: bytes) -> None:
        self.content = unpack(integer_model)
        self._graph = self.content.subgraphs[0]
        self._numbers = {
            self._graph.tensors[int(output)].name.decode(): number
            for number, operator in enumerate(self._graph.operators)
            for output in operator.outputs
        }

    def number(self, operator: WeightedOperator) -> int:
        """Number of the operator in the integer file."""
        return self._numbers[operator.name]

    def input_tensor(self, operator: WeightedOperator, place: int) -> int:
        """Index of one of its inputs."""
        return int(self._graph.operators[self.number(operator)].inputs[place])

    def weights(self, operator: WeightedOperator) -> IntegerWeights | None:
        """The integers and their scales; None where the operator has float weights."""
        tensor = self._tensor(operator, _WEIGHTS)
        shape = tuple(int(each) for each in tensor.shape)
        stored = self.content.buffers[tensor.buffer].data
        if stored is None:  # computed: they become float first
            return None
        data = np.asarray(stored, np.uint8)
        if tensor.type == schema.TensorType.INT4:
            # Two in a byte, the first in its lower half.
            halves = np.stack([data & 15, data >> 4], axis=-1).reshape(-1)[: int(np.prod(shape))].astype(np.int32)
            integers, largest = np.where(halves >= 8, halves - 16, halves), 7
        elif tensor.type == schema.TensorType.INT8:
            integers, largest = data.view(np.int8).astype(np.int32), 127
        else:
            return None
        scale = along(self._scale(tensor), len(shape), operator.output_axis)
        return IntegerWeights(integers.reshape(shape), scale, largest)

    def follow(self, operator: WeightedOperator, weights: np.ndarray, bias: np.ndarray) -> None:
        """Store float weights, whose scales are as before, and a bias, as the quantizer would."""
        stored = self.weights(operator)
        tensor = self._tensor(operator, _WEIGHTS)
        if stored is not None:
            self._store(tensor, np.rint(weights / stored.scale).astype(np.int32))
        place = self._tensor(operator, places_of(operator).bias)
        if place.type != schema.TensorType.FLOAT32:
            data = self._graph.tensors[self.input_tensor(operator, places_of(operator).data)]
            bias = np.rint(bias.astype(np.float64) / (self._scale(tensor).astype(np.float64) * self._scale(data)))
        self._store(place, bias)

    def _tensor(self, operator: WeightedOperator, place: int) -> schema.TensorT:
        return self._graph.tensors[self.input_tensor(operator, place)]

    @staticmethod
    def _scale(tensor: schema.TensorT) -> np.ndarray:
        return np.asarray(tensor.quantization.scale, np.float32)

    def _store(self, tensor: schema.TensorT, values: np.ndarray) -> None:
        flat = values.reshape(-1)
        if tensor.type == schema.TensorType.INT4:
            halves = np.zeros(2 * ((len(flat) + 1) // 2), np.uint8)
            halves[: len(flat)] = flat & 15
            data = halves[::2] | (halves[1::2] << 4)
        else:
            data = np.ascontiguousarray(flat.astype(_DTYPES[tensor.type])).view(np.uint8)
        self.content.buffers[tensor.buffer].data = data
