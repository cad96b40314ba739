"""Runs a file over some images operator by operator; the file may change in between.

What a layer of an integer file gets depends on how the layers before it were corrected. Each operator runs once for
all images, so that correcting all layers in turn costs one pass through the network.
"""

from collections.abc import Mapping

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from segsweep.tflite.cutting import cut


class StepwiseRun:
    """N images on their way through a file with one graph; keeps the values of tensors that are read later."""

    def __init__(self, content: schema.ModelT, images: np.ndarray) -> None:
        """
        Args:
            content: the unpacked file; constants of operators that did not run yet may be replaced in it.
            images: (N, H, W, C) float32, normalized; an integer input is quantized as the file says.
        """
        self._content = content
        self._done = 0
        (port,) = (int(each) for each in self._graph.inputs)
        tensor = self._graph.tensors[port]
        stored = np.ascontiguousarray(images, np.float32)
        if tensor.type != schema.TensorType.FLOAT32:
            scale, zero_point = scale_of(tensor)
            limits = np.iinfo(_DTYPES[tensor.type])
            stored = np.clip(np.rint(stored / scale) + zero_point, limits.min, limits.max).astype(limits.dtype)
        self._values: dict[int, np.ndarray] = {port: stored}

    @property
    def _graph(self) -> schema.SubGraphT:
        return self._content.subgraphs[0]

    def advance(self, until: int) -> None:
        """Run the operators before number `until` that did not run yet."""
        numbers = range(self._done, until)
        if not numbers:
            return
        part = cut(self._content, numbers, {})
        later = {int(index) for operator in self._graph.operators[until:] for index in operator.inputs}
        later |= {int(index) for index in self._graph.outputs}
        # A tensor that this part reads itself is not among its outputs, though operators behind it may read it too.
        made = {int(index) for number in numbers for index in self._graph.operators[number].outputs}
        interpreter = Interpreter(
            model_content=part.content,
            num_threads=1,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
        )
        interpreter.allocate_tensors()
        ports = [each["index"] for each in interpreter.get_input_details()]
        wanted = sorted(made & later)
        # A part keeps the names; an integer file's tensors have each their own.
        named = {each["name"]: each["index"] for each in interpreter.get_tensor_details()}
        places = {index: named[self._graph.tensors[index].name.decode()] for index in wanted}
        feeds = [self._values[index] for index in part.inputs]
        count = len(next(iter(self._values.values())))
        results: dict[int, np.ndarray] = {}
        for row in range(count):
            for port, values in zip(ports, feeds, strict=True):
                interpreter.set_tensor(port, values[row : row + 1])
            interpreter.invoke()
            for index, place in places.items():
                value = interpreter.get_tensor(place)
                if row == 0:
                    results[index] = np.empty((count, *value.shape[1:]), value.dtype)
                results[index][row] = value[0]
        self._values |= results
        self._values = {index: value for index, value in self._values.items() if index in later}
        self._done = until

    def values(self, tensor: int) -> np.ndarray:
        """(N, ...) a tensor as the file stores it."""
        return self._values[tensor]

    def real(self, tensor: int) -> np.ndarray:
        """(N, ...) float32: what its numbers mean."""
        stored = self._graph.tensors[tensor]
        values = self._values[tensor]
        if stored.type == schema.TensorType.FLOAT32:
            return values
        scale, zero_point = scale_of(stored)
        return (values.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)


def scale_of(tensor: schema.TensorT) -> tuple[float, int]:
    """Scale and zero point of a tensor that has one of each."""
    return float(tensor.quantization.scale[0]), int(tensor.quantization.zeroPoint[0])


_DTYPES: Mapping[int, type] = {schema.TensorType.INT8: np.int8, schema.TensorType.INT16: np.int16}
