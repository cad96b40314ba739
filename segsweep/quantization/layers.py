"""The layers of a float file: what can be quantized in one way or another, independently of the rest."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ai_edge_litert import schema_py_generated as schema
from litert_quantizer.utils.tfl_flatbuffer_utils import TFL_OP_CODE_TO_NAME

from segsweep.errors import ModelError
from segsweep.tflite.census import WEIGHTED_OPS
from segsweep.tflite.flatbuffer import unpack

_WEIGHTED = {getattr(schema.BuiltinOperator, name): name for name in WEIGHTED_OPS}
_SUFFIX = re.compile(r"(/(Conv2D|depthwise|conv2d_transpose|MatMul|BiasAdd|kernel|Conv2DBackpropInput))?(;.*)?\d*$")


@dataclass(frozen=True)
class Operator:
    """An operator of the file."""

    kind: str
    """As litert-quantizer calls it, `CONV_2D_TRANSPOSE`; empty for one that it does not know."""
    scope: str
    """Names of the tensors it makes, by which the library knows it, each followed by `;`."""
    outputs: tuple[str, ...]
    """The same, one by one."""


@dataclass(frozen=True)
class Layer:
    """An operator with weights, and those without that work on what it makes, up to the next with weights."""

    name: str
    """Of its weights in the file, or of its output where that name is not its own."""
    label: str
    """The name as a table shows it."""
    weighted: Operator
    followers: tuple[Operator, ...]
    """Operators without weights."""
    weight_count: int
    inputs: tuple[str, ...]
    """Names of the tensors that the weighted operator computes with, weights and constants left out."""
    takes_input: bool
    """Whether the model's input is quantized as this layer is."""
    gives_output: bool
    """Whether the model's output is."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the tensors that the layer makes."""
        return tuple(name for each in (self.weighted, *self.followers) for name in each.outputs)


def layers(float_model: bytes) -> tuple[Layer, ...]:
    """The layers in the order they are computed.

    Raises:
        ModelError: the file is quantized already, has several graphs or no weights, or is no `.tflite` file.
    """
    content = unpack(float_model)
    if len(content.subgraphs) != 1:
        raise ModelError(f"the .tflite file has {len(content.subgraphs)} graphs; one can be quantized layer by layer")
    (graph,) = content.subgraphs
    _refuse_quantized(graph)
    found = _Grouping(content, graph)
    if not found.heads:
        raise ModelError("the .tflite file has no operator with weights: there is nothing to quantize layer by layer")
    return found.layers()


def by_name(found: Sequence[Layer]) -> Mapping[str, Layer]:
    """The layers by their names."""
    return {layer.name: layer for layer in found}


def _refuse_quantized(graph: schema.SubGraphT) -> None:
    for tensor in graph.tensors:
        if tensor.type not in (schema.TensorType.FLOAT32, schema.TensorType.INT32, schema.TensorType.INT64,
                               schema.TensorType.BOOL):  # fmt: skip
            kind = next(name for name, value in vars(schema.TensorType).items() if value == tensor.type).lower()
            raise ModelError(
                f"the .tflite file is quantized already: its tensor {_name(tensor)} is {kind}; give the float32 file"
            )
        if tensor.quantization is not None and tensor.quantization.scale is not None:
            raise ModelError(
                f"the .tflite file is quantized already: its tensor {_name(tensor)} has a scale; give the float32 file"
            )


class _Grouping:
    """Which operators go with which weights."""

    def __init__(self, content: schema.ModelT, graph: schema.SubGraphT) -> None:
        self._content, self._graph = content, graph
        self.heads: list[int] = []
        self._owner: dict[int, int] = {}
        """From the index of a tensor to that of the weighted operator whose layer makes it."""
        self._followers: dict[int, list[int]] = {}
        waiting: list[int] = []
        for index, operator in enumerate(graph.operators):
            if self._is_weighted(operator):
                self.heads.append(index)
                self._followers[index] = waiting
                # What comes before the first weights goes with them.
                for early in waiting:
                    self._own(early, index)
                waiting = []
                self._own(index, index)
            elif self.heads:
                # Of several that it joins, it goes with the one that was computed last.
                owners = [self._owner[tensor] for tensor in operator.inputs if tensor in self._owner]
                head = max(owners, default=self.heads[-1])
                self._followers[head].append(index)
                self._own(index, head)
            else:
                waiting.append(index)

    def layers(self) -> tuple[Layer, ...]:
        names = self._names()
        labels = _labels(names)
        taker = next((head for head in self.heads if self._touches(head, self._graph.inputs)), self.heads[0])
        giver = self._owner.get(int(self._graph.outputs[0]), self.heads[-1])
        return tuple(
            Layer(
                name=name,
                label=label,
                weighted=self._operator(head),
                followers=tuple(self._operator(index) for index in self._followers[head]),
                weight_count=int(self._weights(head).shape.prod()),
                inputs=self._computed_inputs(head),
                takes_input=head == taker,
                gives_output=head == giver,
            )
            for head, name, label in zip(self.heads, names, labels, strict=True)
        )

    def _own(self, index: int, head: int) -> None:
        for tensor in self._graph.operators[index].outputs:
            self._owner[int(tensor)] = head

    def _touches(self, head: int, tensors: Sequence[int]) -> bool:
        members = [head, *self._followers[head]]
        return any(int(tensor) in tensors for index in members for tensor in self._graph.operators[index].inputs)

    def _code(self, operator: schema.OperatorT) -> int:
        code = self._content.operatorCodes[operator.opcodeIndex]
        return int(max(code.builtinCode, code.deprecatedBuiltinCode))

    def _is_weighted(self, operator: schema.OperatorT) -> bool:
        name = _WEIGHTED.get(self._code(operator))
        if name is None:
            return False
        weights = self._graph.tensors[operator.inputs[WEIGHTED_OPS[name][1]]]
        return self._content.buffers[weights.buffer].data is not None

    def _weights(self, head: int) -> schema.TensorT:
        operator = self._graph.operators[head]
        return self._graph.tensors[operator.inputs[WEIGHTED_OPS[_WEIGHTED[self._code(operator)]][1]]]

    def _computed_inputs(self, head: int) -> tuple[str, ...]:
        operator = self._graph.operators[head]
        position = WEIGHTED_OPS[_WEIGHTED[self._code(operator)]][0]
        return (_name(self._graph.tensors[operator.inputs[position]]),)

    def _operator(self, index: int) -> Operator:
        operator = self._graph.operators[index]
        outputs = tuple(_name(self._graph.tensors[tensor]) for tensor in operator.outputs)
        kind = TFL_OP_CODE_TO_NAME.get(self._code(operator))
        return Operator(kind.value if kind is not None else "", "".join(f"{name};" for name in outputs), outputs)

    def _names(self) -> list[str]:
        weights = [_name(self._weights(head)) for head in self.heads]
        outputs = [_name(self._graph.tensors[self._graph.operators[head].outputs[0]]) for head in self.heads]
        return [own if own and weights.count(own) == 1 else other for own, other in zip(weights, outputs, strict=True)]


def _labels(names: Sequence[str]) -> list[str]:
    """The names without what says nothing, where they stay different."""
    parts = [_SUFFIX.sub("", name).split("/") for name in names]
    while all(len(each) > 1 for each in parts) and len({each[0] for each in parts}) == 1:
        parts = [each[1:] for each in parts]
    short = ["/".join(each) for each in parts]
    return short if len(set(short)) == len(short) and all(short) else list(names)


def _name(tensor: schema.TensorT) -> str:
    return tensor.name.decode(errors="replace") if tensor.name is not None else ""
