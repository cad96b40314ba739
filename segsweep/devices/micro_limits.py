"""What TensorFlow Lite Micro cannot run of a file, or runs wrongly, as seen from the file alone."""

from collections.abc import Callable

from segsweep.devices.four_bit_kernels import UNPACKED
from segsweep.devices.graph import Graph, Operator

MICRO_OPERATORS = frozenset({
    "ABS", "ADD", "ADD_N", "ARG_MAX", "ARG_MIN", "ASSIGN_VARIABLE", "AVERAGE_POOL_2D", "BATCH_MATMUL",
    "BATCH_TO_SPACE_ND", "BROADCAST_ARGS", "BROADCAST_TO", "CALL_ONCE", "CAST", "CEIL", "CONCATENATION", "CONV_2D",
    "COS", "CUMSUM", "DEPTHWISE_CONV_2D", "DEPTH_TO_SPACE", "DEQUANTIZE", "DIV", "DYNAMIC_UPDATE_SLICE", "ELU",
    "EMBEDDING_LOOKUP", "EQUAL", "EXP", "EXPAND_DIMS", "FILL", "FLOOR", "FLOOR_DIV", "FLOOR_MOD", "FULLY_CONNECTED",
    "GATHER", "GATHER_ND", "GREATER", "GREATER_EQUAL", "HARD_SWISH", "IF", "L2_NORMALIZATION", "L2_POOL_2D",
    "LEAKY_RELU", "LESS", "LESS_EQUAL", "LOG", "LOGICAL_AND", "LOGICAL_NOT", "LOGICAL_OR", "LOGISTIC", "LOG_SOFTMAX",
    "MAXIMUM", "MAX_POOL_2D", "MEAN", "MINIMUM", "MIRROR_PAD", "MUL", "NEG", "NOT_EQUAL", "PACK", "PAD", "PADV2",
    "PRELU", "QUANTIZE", "READ_VARIABLE", "REDUCE_ALL", "REDUCE_MAX", "REDUCE_MIN", "RELU", "RELU6", "RESHAPE",
    "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "REVERSE_V2", "ROUND", "RSQRT", "SELECT_V2", "SHAPE", "SIN",
    "SLICE", "SOFTMAX", "SPACE_TO_BATCH_ND", "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "SQRT", "SQUARE",
    "SQUARED_DIFFERENCE", "SQUEEZE", "STRIDED_SLICE", "SUB", "SUM", "SVDF", "TANH", "TRANSPOSE", "TRANSPOSE_CONV",
    "UNIDIRECTIONAL_SEQUENCE_LSTM", "UNPACK", "VAR_HANDLE", "WHILE", "ZEROS_LIKE",
})  # fmt: skip
"""Builtin operators that it has, as of the package of October 2026: each was asked for in a file of its own."""

_WEIGHTED = {"CONV_2D": (0, 1), "DEPTHWISE_CONV_2D": (0, 1), "TRANSPOSE_CONV": (2, 1), "FULLY_CONNECTED": (0, 1)}


def micro_problems(graph: Graph) -> tuple[str, ...]:
    """Why TensorFlow Lite Micro does not compute of this file what LiteRT does, a few words each; empty if it does."""
    names = {operator.name for operator in graph.operators}
    missing = sorted(names - MICRO_OPERATORS)
    found = [f"operators it lacks: {', '.join(missing)}"] if missing else []
    if graph.has_data_behind:
        # It takes such weights for tensors to be computed: they get a place in the arena, and are never filled.
        found.append("weights that lie behind the flatbuffer: it does not see them, and the output is wrong")
    found += [words for words, holds in _LIMITS.items() if any(holds(graph, operator) for operator in graph.operators)]
    return tuple(found)


def _is_hybrid(graph: Graph, operator: Operator) -> bool:
    places = _WEIGHTED.get(operator.name)
    if places is None:
        return False
    values, weights = (graph.tensors[operator.inputs[place]].dtype for place in places)
    return values == "float32" and weights != "float32"


def _has_no_kernel_for_4_bits(graph: Graph, operator: Operator) -> bool:
    places = _WEIGHTED.get(operator.name)
    if places is None:
        return False
    values, weights = (graph.tensors[operator.inputs[place]].dtype for place in places)
    return weights == "int4" and values != "float32" and (values != "int8" or operator.name not in UNPACKED)


def _dequantizes(dtype: str) -> Callable[[Graph, Operator], bool]:
    return lambda graph, operator: operator.name == "DEQUANTIZE" and graph.tensors[operator.inputs[0]].dtype == dtype


def _resizes_int16(graph: Graph, operator: Operator) -> bool:
    return operator.name == "RESIZE_BILINEAR" and graph.tensors[operator.inputs[0]].dtype == "int16"


def _dequantizes_channels(graph: Graph, operator: Operator) -> bool:
    return operator.name == "DEQUANTIZE" and graph.tensors[operator.inputs[0]].scales > 1


_LIMITS: dict[str, Callable[[Graph, Operator], bool]] = {
    "float activations with integer weights are not supported": _is_hybrid,
    "4-bit weights are not supported in an operator of this kind": _has_no_kernel_for_4_bits,
    "DEQUANTIZE of float16 is not supported": _dequantizes("float16"),
    # It takes the file and gives up when it runs.
    "RESIZE_BILINEAR of int16 is not supported": _resizes_int16,
    # It runs, and says nothing: the weights of all channels are scaled as those of the first.
    "DEQUANTIZE takes the first channel's scale for all channels: the output is wrong": _dequantizes_channels,
}
"""Words for people, and which operators they hold for."""
