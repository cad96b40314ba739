"""Float `.tflite` files built operator by operator, without TensorFlow."""

from collections.abc import Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from segsweep.tflite.flatbuffer import pack

_OPTIONS = {
    "CONV_2D": (schema.Conv2DOptionsT, schema.BuiltinOptions.Conv2DOptions),
    "DEPTHWISE_CONV_2D": (schema.DepthwiseConv2DOptionsT, schema.BuiltinOptions.DepthwiseConv2DOptions),
    "TRANSPOSE_CONV": (schema.TransposeConvOptionsT, schema.BuiltinOptions.TransposeConvOptions),
    "FULLY_CONNECTED": (schema.FullyConnectedOptionsT, schema.BuiltinOptions.FullyConnectedOptions),
    "CONCATENATION": (schema.ConcatenationOptionsT, schema.BuiltinOptions.ConcatenationOptions),
    "MAX_POOL_2D": (schema.Pool2DOptionsT, schema.BuiltinOptions.Pool2DOptions),
    "RESIZE_NEAREST_NEIGHBOR": (
        schema.ResizeNearestNeighborOptionsT, schema.BuiltinOptions.ResizeNearestNeighborOptions
    ),
    "ADD": (schema.AddOptionsT, schema.BuiltinOptions.AddOptions),
    "LOGISTIC": (None, schema.BuiltinOptions.NONE),
    "PAD": (schema.PadOptionsT, schema.BuiltinOptions.PadOptions),
}  # fmt: skip
RELU, RELU6, NONE = (getattr(schema.ActivationFunctionType, name) for name in ("RELU", "RELU6", "NONE"))
SAME, VALID = schema.Padding.SAME, schema.Padding.VALID


class Built:
    """A file that grows; tensors are known by their index."""

    def __init__(self, shape: Sequence[int]) -> None:
        """`shape` is the input's, with a batch of 1."""
        self._graph, self._codes = schema.SubGraphT(), []
        self._graph.tensors, self._graph.operators = [], []
        self._buffers = [schema.BufferT()]
        self.image = self._tensor("image", shape)

    def _tensor(self, name, shape, values=None):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.hasRank = name.encode(), np.array(shape, np.int32), True
        tensor.type, tensor.buffer = schema.TensorType.FLOAT32, 0
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.ascontiguousarray(values).view(np.uint8).reshape(-1)
            tensor.type = schema.TensorType.INT32 if values.dtype == np.int32 else schema.TensorType.FLOAT32
            tensor.buffer = len(self._buffers)
            self._buffers.append(buffer)
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def constant(self, values: np.ndarray) -> int:
        return self._tensor(f"constant {len(self._graph.tensors)}", values.shape, values)

    def operator(self, kind: str, inputs: Sequence[int], shape: Sequence[int], name: str, **options) -> int:
        """Index of the tensor, of a name and a shape, that it makes."""
        operator = schema.OperatorT()
        if kind not in self._codes:
            self._codes.append(kind)
        make, operator.builtinOptionsType = _OPTIONS[kind]
        if make is not None:
            operator.builtinOptions = make()
            if kind == "CONV_2D" or kind == "DEPTHWISE_CONV_2D":
                options = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1} | options
            if kind == "DEPTHWISE_CONV_2D":
                options = {"depthMultiplier": 1} | options
            for key, value in options.items():
                setattr(operator.builtinOptions, key, value)
        operator.opcodeIndex, operator.inputs = self._codes.index(kind), list(inputs)
        made = self._tensor(name, shape)
        operator.outputs = [made]
        self._graph.operators.append(operator)
        return made

    def file(self, output: int) -> bytes:
        model = schema.ModelT()
        model.version = 3
        model.operatorCodes = []
        for kind in self._codes:
            code = schema.OperatorCodeT()
            code.builtinCode = getattr(schema.BuiltinOperator, kind)
            code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), 1
            model.operatorCodes.append(code)
        self._graph.inputs, self._graph.outputs = [self.image], [output]
        model.subgraphs, model.buffers = [self._graph], self._buffers
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
        signature.inputs, signature.outputs = [schema.TensorMapT()], [schema.TensorMapT()]
        signature.inputs[0].name, signature.inputs[0].tensorIndex = b"image", self.image
        signature.outputs[0].name, signature.outputs[0].tensorIndex = b"logits", output
        model.signatureDefs = [signature]
        return pack(model)


def small_network(seed: int = 0) -> bytes:
    """Takes (1, 8, 8, 3) and gives (1, 8, 8, 2), with all kinds of layers that have weights but dense ones.

    A strided depthwise convolution, a dilated one, a transposed one without bias, and a skip connection; its channels
    are of different sizes.
    """
    rng = np.random.default_rng(seed)
    net = Built((1, 8, 8, 3))

    def weights(*shape, axis=0):
        sizes = np.exp(rng.normal(0, 0.7, shape[axis]))
        around = [-1 if each == axis else 1 for each in range(len(shape))]
        return net.constant((rng.normal(0, 0.2, shape) * sizes.reshape(around)).astype(np.float32))

    def bias(count):
        return net.constant(rng.normal(0, 0.3, count).astype(np.float32))

    first = net.operator(
        "CONV_2D", [net.image, weights(6, 3, 3, 3), bias(6)], (1, 8, 8, 6), "first",
        fusedActivationFunction=RELU, padding=SAME,
    )  # fmt: skip
    deep = net.operator(
        "DEPTHWISE_CONV_2D", [first, weights(1, 3, 3, 6, axis=3), bias(6)], (1, 4, 4, 6), "deep",
        fusedActivationFunction=RELU, padding=SAME, strideH=2, strideW=2,
    )  # fmt: skip
    wide = net.operator(
        "CONV_2D", [deep, weights(8, 3, 3, 6), bias(8)], (1, 4, 4, 8), "wide",
        fusedActivationFunction=RELU, padding=SAME, dilationHFactor=2, dilationWFactor=2,
    )  # fmt: skip
    up = net.operator(
        "TRANSPOSE_CONV", [net.constant(np.array([1, 8, 8, 5], np.int32)), weights(5, 3, 3, 8), wide],
        (1, 8, 8, 5), "up", strideH=2, strideW=2, padding=SAME,
    )  # fmt: skip
    joined = net.operator("CONCATENATION", [up, first], (1, 8, 8, 11), "joined", axis=3)
    return net.file(
        net.operator("CONV_2D", [joined, weights(2, 1, 1, 11), bias(2)], (1, 8, 8, 2), "logits", padding=SAME)
    )


def images(count: int, seed: int = 1) -> np.ndarray:
    """(N, 8, 8, 3) float32, with pixels that are like their neighbours."""
    noise = np.random.default_rng(seed).normal(size=(count, 10, 10, 3))
    return sum(noise[:, row : row + 8, column : column + 8] for row in range(3) for column in range(3)).astype(
        np.float32
    )
