"""What an integer file has of the weights of a float file."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from segsweep.quantization.corrections.float_graph import WeightedOperator

_HALF_BITS = 4


def restored_weights(content: schema.ModelT, operator: WeightedOperator) -> np.ndarray:
    """The weights (as the float file has them) that the integers of a quantized file stand for, float32."""
    integers, scale = integer_weights(content, operator)
    return integers.astype(np.float32) * scale


def integer_weights(content: schema.ModelT, operator: WeightedOperator) -> tuple[np.ndarray, np.ndarray]:
    """The integers, int32 in the weights' shape, and their scales float32, of a shape to multiply them with.

    Where the quantized file has float weights, these and 1.
    """
    number = operator_number(content, operator.name)
    graph = content.subgraphs[0]
    tensor = graph.tensors[int(graph.operators[number].inputs[1])]
    shape = tuple(int(each) for each in tensor.shape)
    data = np.asarray(content.buffers[tensor.buffer].data, np.uint8)
    if tensor.type == schema.TensorType.FLOAT32:
        return np.frombuffer(data.tobytes(), np.float32).reshape(shape), np.ones(1, np.float32)
    if tensor.type == schema.TensorType.INT4:
        halves = np.stack([data & 15, data >> _HALF_BITS], axis=-1).reshape(-1)[: int(np.prod(shape))].astype(np.int32)
        integers = np.where(halves >= 8, halves - 16, halves)
    else:
        assert tensor.type == schema.TensorType.INT8, "weights are stored as int4, int8 or float32"
        integers = data.view(np.int8).astype(np.int32)
    scale = np.asarray(tensor.quantization.scale, np.float32)
    if len(scale) > 1:
        around = [1] * len(shape)
        around[operator.output_axis] = len(scale)
        scale = scale.reshape(around)
    return integers.reshape(shape), scale


def operator_number(content: schema.ModelT, output: str) -> int:
    """Number of the operator that makes the tensor of a name."""
    graph = content.subgraphs[0]
    return next(
        number
        for number, operator in enumerate(graph.operators)
        if any(graph.tensors[int(index)].name == output.encode() for index in operator.outputs)
    )
