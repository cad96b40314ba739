"""The change of scale inside integer convolutions, and where XNNPACK gives up on it."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from segsweep.tflite.census import WEIGHTED_OPS

XNNPACK_LIMIT = 256.0
"""XNNPACK makes no int8 convolution with a requantization scale of this or more (its qs8 operators say so)."""

_POSITIONS = {
    getattr(schema.BuiltinOperator, name): positions
    for name, positions in WEIGHTED_OPS.items()
    if name in ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")
}


def largest_requantization_scale(model: bytes) -> float:
    """The largest `input scale · weight scale / output scale` of a verified file's integer layers; 0 without any.

    Large where a layer's output hardly varies, as behind a ReLU that lets nothing through.
    """
    content = schema.Model.GetRootAs(model, 0)
    largest = 0.0
    for index in range(content.SubgraphsLength()):
        subgraph = content.Subgraphs(index)
        for number in range(subgraph.OperatorsLength()):
            operator = subgraph.Operators(number)
            code = content.OperatorCodes(operator.OpcodeIndex())
            positions = _POSITIONS.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()))
            if positions is None:
                continue
            indices = [*(operator.Inputs(position) for position in positions), operator.Outputs(0)]
            activations, weights, output = (_scales(subgraph.Tensors(tensor)) for tensor in indices)
            if activations.size and weights.size and output.size:
                largest = max(largest, float(activations[0]) * float(weights.max()) / float(output[0]))
    return largest


def _scales(tensor: schema.Tensor) -> np.ndarray:
    """Scales of a tensor's quantization, float32, one or one a channel; empty where it has none."""
    quantization = tensor.Quantization()
    return np.empty(0) if quantization is None or not quantization.ScaleLength() else quantization.ScaleAsNumpy()
