"""Rounds some activations of a float file to the steps of an integer type, and leaves all else in float.

No kernel takes integer activations and float weights. So that the loss by activations can be told from the loss by
weights, a QUANTIZE and a DEQUANTIZE are put behind the tensor.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from segsweep.errors import ModelError
from segsweep.quantization.layers import Layer
from segsweep.tflite.flatbuffer import pack, unpack

_TYPES = {8: schema.TensorType.INT8, 16: schema.TensorType.INT16}
_BUILTINS = {"QUANTIZE": schema.BuiltinOperator.QUANTIZE, "DEQUANTIZE": schema.BuiltinOperator.DEQUANTIZE}
_LAST_CODE_OF_OLD_FILES = 127


def round_activations(
    float_model: bytes, layer: Layer, ranges: Mapping[str, tuple[float, float]], bits: int, *, output: bool = True
) -> bytes:
    """The float file with what goes into a layer, and what comes out of it, on the grid of an integer type.

    Args:
        float_model: a float file.
        layer: one of it.
        ranges: smallest and largest value by tensor, as `calibrate` finds them.
        bits: 8 (any zero point) or 16 (symmetric), as the library quantizes activations.
        output: whether what comes out is rounded as well.
    """
    content = unpack(float_model)
    graph = _Graph(content)
    for name in layer.inputs:
        graph.round_for(name, layer.weighted.outputs[0], *_scale(ranges, name, bits), bits)
    for name in layer.outputs if output else ():
        graph.round(name, *_scale(ranges, name, bits), bits)
    return pack(content)


def _scale(ranges: Mapping[str, tuple[float, float]], name: str, bits: int) -> tuple[float, int]:
    """Scale and zero point of a tensor."""
    if name not in ranges:
        raise ModelError(f"the calibration says nothing about the tensor {name}")
    low, high = min(ranges[name][0], 0.0), max(ranges[name][1], 0.0)
    if bits == 16:
        return max(-low, high) / (2**15 - 1), 0
    scale = (high - low) / (2**8 - 1)
    return scale, round(-(2**7) - low / scale)


@dataclass
class _Graph:
    """The only graph of a file, while operators are put into it."""

    content: schema.ModelT

    @property
    def graph(self) -> schema.SubGraphT:
        return self.content.subgraphs[0]

    def round(self, name: str, scale: float, zero_point: int, bits: int) -> None:
        """Let all that uses the tensor see it rounded: its maker gets another one to write to."""
        tensor = self._index(name)
        maker = next(index for index, each in enumerate(self.graph.operators) if tensor in each.outputs)
        raw = self._add(tensor, f"{name}/raw")
        operator = self.graph.operators[maker]
        operator.outputs = [raw if each == tensor else int(each) for each in operator.outputs]
        self._insert(maker + 1, raw, tensor, scale, zero_point, bits)

    def round_for(self, name: str, user: str, scale: float, zero_point: int, bits: int) -> None:
        """Let the operator that makes `user`, and no other, see the tensor rounded."""
        tensor, made = self._index(name), self._index(user)
        index = next(index for index, each in enumerate(self.graph.operators) if made in each.outputs)
        rounded = self._add(tensor, f"{name}/rounded")
        operator = self.graph.operators[index]
        operator.inputs = [rounded if each == tensor else int(each) for each in operator.inputs]
        self._insert(index, tensor, rounded, scale, zero_point, bits)

    def _index(self, name: str) -> int:
        return next(index for index, each in enumerate(self.graph.tensors) if each.name == name.encode())

    def _add(self, like: int, name: str, kind: int | None = None) -> int:
        old, new = self.graph.tensors[like], schema.TensorT()
        new.name, new.shape, new.shapeSignature = name.encode(), old.shape, old.shapeSignature
        new.type = old.type if kind is None else kind
        new.buffer, new.hasRank = 0, old.hasRank
        self.graph.tensors.append(new)
        return len(self.graph.tensors) - 1

    def _insert(self, place: int, source: int, target: int, scale: float, zero_point: int, bits: int) -> None:
        stored = self._add(source, f"tensor {source} in {bits} bits for {target}", _TYPES[bits])
        parameters = schema.QuantizationParametersT()
        parameters.scale, parameters.zeroPoint = np.array([scale], np.float32), np.array([zero_point], np.int64)
        self.graph.tensors[stored].quantization = parameters
        self.graph.operators[place:place] = [
            self._operator("QUANTIZE", [source], [stored]),
            self._operator("DEQUANTIZE", [stored], [target]),
        ]

    def _operator(self, name: str, inputs: Sequence[int], outputs: Sequence[int]) -> schema.OperatorT:
        operator = schema.OperatorT()
        operator.opcodeIndex = self._code(name)
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        return operator

    def _code(self, name: str) -> int:
        wanted = _BUILTINS[name]
        for index, code in enumerate(self.content.operatorCodes):
            if max(code.builtinCode, code.deprecatedBuiltinCode) == wanted:
                return index
        code = schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode = wanted, min(wanted, _LAST_CODE_OF_OLD_FILES)
        code.version = 2
        self.content.operatorCodes.append(code)
        return len(self.content.operatorCodes) - 1
