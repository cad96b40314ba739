"""The weighted operators of a float file, with weights and biases that can be read and replaced."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from segsweep.errors import ModelError
from segsweep.tflite.flatbuffer import pack, unpack

OPERATOR_NAMES: Mapping[int, str] = {
    value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)
}
ACTIVATIONS: Mapping[int, str] = {
    value: name for name, value in vars(schema.ActivationFunctionType).items() if isinstance(value, int)
}


@dataclass(frozen=True)
class Layout:
    """Where a kind of operator has what."""

    data: int
    """Which input the activations are."""
    bias: int
    """Which input the bias is, where there is one."""
    output_axis: int
    """Of the weights."""
    input_axis: int
    """Of the weights; of depthwise ones the same, with `multiplier` outputs for each input."""


_WEIGHTS = 1
_LAYOUTS: Mapping[str, Layout] = {
    "CONV_2D": Layout(data=0, bias=2, output_axis=0, input_axis=3),
    "DEPTHWISE_CONV_2D": Layout(data=0, bias=2, output_axis=3, input_axis=3),
    "TRANSPOSE_CONV": Layout(data=2, bias=3, output_axis=0, input_axis=3),
    "FULLY_CONNECTED": Layout(data=0, bias=2, output_axis=0, input_axis=1),
}


@dataclass(frozen=True)
class WeightedOperator:
    """An operator with float32 weights that are its own."""

    index: int
    """In the order they are computed."""
    kind: str
    """`CONV_2D`, `DEPTHWISE_CONV_2D`, `TRANSPOSE_CONV` or `FULLY_CONNECTED`."""
    name: str
    """Of the tensor it makes."""
    data: int
    """Index of the tensor with the activations."""
    weights: int
    """Index of the tensor with the weights."""
    output: int
    """Index of the tensor it makes."""
    activation: str
    """Fused activation, `NONE` or for example `RELU`."""

    @property
    def output_axis(self) -> int:
        """Axis of the weights along which the output channels lie."""
        return _LAYOUTS[self.kind].output_axis

    @property
    def input_axis(self) -> int:
        """Axis of the weights along which the input channels lie."""
        return _LAYOUTS[self.kind].input_axis


def places_of(operator: WeightedOperator) -> Layout:
    """Which inputs of an operator are what."""
    return _LAYOUTS[operator.kind]


class FloatGraph:
    """A float file as an object that changes; `packed` gives the file.

    Raises ModelError for a file with several graphs.
    """

    def __init__(self, float_model: bytes) -> None:
        self.content = unpack(float_model)
        if len(self.content.subgraphs) != 1:
            raise ModelError(f"the .tflite file has {len(self.content.subgraphs)} graphs; corrections need one")
        (self.graph,) = self.content.subgraphs

    def packed(self) -> bytes:
        """The file; the same content gives the same bytes."""
        return pack(self.content)

    def kind(self, operator: schema.OperatorT) -> str:
        """Builtin name of an operator."""
        code = self.content.operatorCodes[operator.opcodeIndex]
        return OPERATOR_NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]

    def tensor_name(self, index: int) -> str:
        """Name of a tensor."""
        name = self.graph.tensors[index].name
        return name.decode(errors="replace") if name is not None else ""

    @cached_property
    def consumers(self) -> Mapping[int, Sequence[int]]:
        """Numbers of the operators that read a tensor, by its index."""
        found: dict[int, list[int]] = {}
        for number, operator in enumerate(self.graph.operators):
            for tensor in dict.fromkeys(map(int, operator.inputs)):
                found.setdefault(tensor, []).append(number)
        return found

    @cached_property
    def weighted(self) -> tuple[WeightedOperator, ...]:
        """The operators whose weights can be changed without changing another operator, in order."""
        buffers = Counter(int(tensor.buffer) for tensor in self.graph.tensors)
        found = []
        for number, operator in enumerate(self.graph.operators):
            kind = self.kind(operator)
            if kind not in _LAYOUTS:
                continue
            weights = int(operator.inputs[_WEIGHTS])
            tensor = self.graph.tensors[weights]
            data = self.content.buffers[tensor.buffer].data
            own = len(self.consumers[weights]) == 1 and buffers[int(tensor.buffer)] == 1
            if data is None or tensor.type != schema.TensorType.FLOAT32 or not own:
                continue
            options = operator.builtinOptions
            found.append(
                WeightedOperator(
                    index=number,
                    kind=kind,
                    name=self.tensor_name(int(operator.outputs[0])),
                    data=int(operator.inputs[_LAYOUTS[kind].data]),
                    weights=weights,
                    output=int(operator.outputs[0]),
                    activation=ACTIVATIONS[getattr(options, "fusedActivationFunction", 0)],
                )
            )
        return tuple(found)

    def constant(self, tensor: int) -> np.ndarray | None:
        """Values float32 of a stored tensor, in its shape; None where it is computed."""
        data = self.content.buffers[self.graph.tensors[tensor].buffer].data
        if data is None or self.graph.tensors[tensor].type != schema.TensorType.FLOAT32:
            return None
        shape = [int(each) for each in self.graph.tensors[tensor].shape]
        return np.frombuffer(np.asarray(data, np.uint8).tobytes(), np.float32).reshape(shape)

    def weights(self, operator: WeightedOperator) -> np.ndarray:
        """Float32, as stored: read-only."""
        values = self.constant(operator.weights)
        assert values is not None
        return values

    def set_weights(self, operator: WeightedOperator, values: np.ndarray) -> None:
        """Replace the weights by others of their shape."""
        assert values.shape == self.weights(operator).shape
        self._store(self.graph.tensors[operator.weights].buffer, values)

    def bias(self, operator: WeightedOperator) -> np.ndarray:
        """(C,) float32; zeros where the operator has none."""
        place = _LAYOUTS[operator.kind].bias
        inputs = self.graph.operators[operator.index].inputs
        if len(inputs) > place and int(inputs[place]) >= 0:
            values = self.constant(int(inputs[place]))
            assert values is not None
            return values
        return np.zeros(self.weights(operator).shape[operator.output_axis], np.float32)

    def set_bias(self, operator: WeightedOperator, values: np.ndarray) -> None:
        """Replace the bias (C,), or add one; an operator that shared its bias with others has its own afterwards."""
        place = _LAYOUTS[operator.kind].bias
        node = self.graph.operators[operator.index]
        inputs = [int(each) for each in node.inputs]
        inputs += [-1] * (place + 1 - len(inputs))
        tensor = inputs[place]
        if tensor >= 0 and self._is_shared(tensor):
            tensor = -1
        if tensor < 0:
            tensor = self._new_bias(operator, len(values))
            inputs[place] = tensor
            node.inputs = np.array(inputs, np.int32)
        self._store(self.graph.tensors[tensor].buffer, values)

    def _is_shared(self, tensor: int) -> bool:
        buffer = self.graph.tensors[tensor].buffer
        readers = sum(tensor in map(int, operator.inputs) for operator in self.graph.operators)
        return readers > 1 or sum(each.buffer == buffer for each in self.graph.tensors) > 1

    def _new_bias(self, operator: WeightedOperator, count: int) -> int:
        buffer, tensor = schema.BufferT(), schema.TensorT()
        self.content.buffers.append(buffer)
        tensor.name, tensor.type = f"{operator.name}/bias".encode(), schema.TensorType.FLOAT32
        tensor.shape, tensor.buffer = np.array([count], np.int32), len(self.content.buffers) - 1
        tensor.hasRank = True
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def _store(self, buffer: int, values: np.ndarray) -> None:
        self.content.buffers[buffer].data = np.ascontiguousarray(values, np.float32).view(np.uint8).reshape(-1)


def along(values: np.ndarray, rank: int, axis: int) -> np.ndarray:
    """Values (N,) or (1,) in the shape that spreads them along one axis of an array of so many dimensions."""
    return values.reshape([-1 if each == axis else 1 for each in range(rank)])
