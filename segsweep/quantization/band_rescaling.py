"""Rescales the bands of a float file's input, and its first weights the other way, so that nothing else changes.

As cross-layer equalization in Nagel et al. 2019, Data-Free Quantization, arXiv 1906.04721, section 4.1, with the images
in place of the first layer. Only a factor can move so: a shift would not be 0 where a convolution pads with 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from segsweep.errors import ModelError
from segsweep.tflite.flatbuffer import pack, unpack

_WEIGHTS = 1
"""Which input of a convolution its weights are."""
_CONVOLUTION, _DEPTHWISE = schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.DEPTHWISE_CONV_2D
_PADDINGS = (schema.BuiltinOperator.PAD, schema.BuiltinOperator.MIRROR_PAD)
_NAMES = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}


@dataclass(frozen=True)
class _Kernel:
    """The weights of a convolution of the input."""

    buffer: int
    values: np.ndarray = field(repr=False)
    """Float32 as stored: (outputs, height, width, bands), or (1, height, width, bands · multiplier)."""


def rescale_bands(float_model: bytes, factors: np.ndarray) -> bytes:
    """The file for images whose bands are `factors` times as large: it gives the same answers, but for rounding.

    Args:
        float_model: a float file whose input goes to convolutions alone, or to padding before them.
        factors: (C,) greater than 0.

    Raises:
        ModelError: the input goes to something else.
    """
    content = unpack(float_model)
    for kernel in _kernels(content):
        repeated = np.repeat(factors, kernel.values.shape[-1] // len(factors))
        content.buffers[kernel.buffer].data = np.ascontiguousarray(
            (kernel.values / repeated).astype(np.float32)
        ).view(np.uint8).reshape(-1)  # fmt: skip
    return pack(content)


def band_weights(float_model: bytes) -> np.ndarray:
    """(C,) float64: the largest absolute weight that each band of the input is multiplied with.

    Raises:
        ModelError: the input goes to something else than convolutions, or to padding before them.
    """
    content = unpack(float_model)
    (graph,) = content.subgraphs
    bands = int(graph.tensors[graph.inputs[0]].shape[-1])
    largest = np.zeros(bands)
    for kernel in _kernels(content):
        values = np.abs(kernel.values.astype(np.float64)).reshape(-1, bands, kernel.values.shape[-1] // bands)
        largest = np.maximum(largest, values.max(axis=(0, 2)))
    return largest


def _kernels(content: schema.ModelT) -> list[_Kernel]:
    """The weights that the input is multiplied with, all of them convolutions."""
    if len(content.subgraphs) != 1:
        raise ModelError(f"the .tflite file has {len(content.subgraphs)} graphs")
    (graph,) = content.subgraphs
    bands = int(graph.tensors[graph.inputs[0]].shape[-1])
    found = {kernel.buffer: kernel for kernel in _users(content, graph, int(graph.inputs[0]), bands)}
    stored = [tensor.buffer for tensor in graph.tensors]
    if not found or any(stored.count(buffer) > 1 for buffer in found):
        raise ModelError("the first weights of the .tflite file are used elsewhere too")
    return list(found.values())


def _users(content: schema.ModelT, graph: schema.SubGraphT, tensor: int, bands: int) -> Iterator[_Kernel]:
    if tensor in graph.outputs:
        raise ModelError("the .tflite file's input is its output too")
    for operator in graph.operators:
        if tensor not in operator.inputs:
            continue
        code = content.operatorCodes[operator.opcodeIndex]
        kind = max(code.builtinCode, code.deprecatedBuiltinCode)
        if kind in _PADDINGS:
            yield from _users(content, graph, int(operator.outputs[0]), bands)
            continue
        if kind not in (_CONVOLUTION, _DEPTHWISE) or operator.inputs[0] != tensor:
            raise ModelError(f"the .tflite file's input goes to {_NAMES[kind]}, and not to convolutions alone")
        weights = graph.tensors[operator.inputs[_WEIGHTS]]
        data = content.buffers[weights.buffer].data
        shape = tuple(int(each) for each in weights.shape)
        groups = shape[-1] != bands if kind == _CONVOLUTION else shape[-1] % bands != 0
        if data is None or weights.type != schema.TensorType.FLOAT32 or groups:
            raise ModelError(f"the .tflite file's first {_NAMES[kind]} has no float32 weights of its own for each band")
        values = np.frombuffer(np.asarray(data, np.uint8).tobytes(), np.float32).reshape(shape)
        yield _Kernel(int(weights.buffer), values)
