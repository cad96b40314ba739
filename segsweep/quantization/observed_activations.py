"""What the activations of a float file are, image by image: looked at once, for any choice of images among them."""

import tempfile
import warnings
from collections.abc import Collection, Iterable

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from segsweep.quantization.range_rules import TensorValues

_VALUES = 2048
"""Of each tensor and image that are kept, evenly spread."""


class ObservedActivations:
    """Of N images and T tensors of a float file, filled as images are added; keeps an interpreter."""

    def __init__(self, float_model: bytes, count: int, names: Collection[str] | None = None) -> None:
        """
        Args:
            float_model: the file, which is well-formed.
            count: N, how many images there may be.
            names: of tensors; those that the file does not have are left out; None: all activations.
        """
        names = activations(float_model) if names is None else names
        with warnings.catch_warnings():  # that all tensors take memory
            warnings.simplefilter("ignore", UserWarning)
            # XNNPACK takes a fifth of the time of the other kernels; it must not fuse operators whose output is wanted.
            self._interpreter = Interpreter(
                model_content=float_model,
                num_threads=1,
                experimental_op_resolver_type=OpResolverType.AUTO,
                experimental_preserve_all_tensors=True,
                experimental_disable_delegate_node_fusion=True,
            )
        self._interpreter.allocate_tensors()
        port = self._interpreter.get_input_details()[0]
        self._port, self.input_name = port["index"], str(port["name"])
        wanted = set(names)
        details = [each for each in self._interpreter.get_tensor_details() if each["name"] in wanted]
        self.names = tuple(each["name"] for each in details)
        self._tensors = [each["index"] for each in details]
        sizes = [int(np.prod(each["shape"])) for each in details]
        self._chosen = [np.linspace(0, size - 1, min(_VALUES, size)).astype(np.int64) for size in sizes]
        self._ends = np.cumsum([len(each) for each in self._chosen])
        self._seen = np.zeros(count, bool)
        self._low, self._high = (np.empty((count, len(details)), np.float32) for _ in range(2))
        with tempfile.TemporaryFile() as file:  # stays while it is mapped
            self._values = np.memmap(file, np.float32, "w+", shape=(max(count, 1), max(int(sum(self._ends[-1:])), 1)))

    def missing(self, rows: np.ndarray) -> np.ndarray:
        """Those of the images that were not added yet, ascending, each once."""
        return np.unique(rows[~self._seen[rows]])

    def add(self, rows: Iterable[int], images: Iterable[np.ndarray]) -> None:
        """Run images (H, W, C) float32, normalized and padded; `rows` are their numbers below N."""
        for row, image in zip(rows, images, strict=True):
            self._interpreter.set_tensor(self._port, np.ascontiguousarray(image[np.newaxis], np.float32))
            self._interpreter.invoke()
            for place, (tensor, chosen, end) in enumerate(zip(self._tensors, self._chosen, self._ends, strict=True)):
                # A view: it is gone before the next invoke.
                flat = self._interpreter.tensor(tensor)().ravel()
                self._low[row, place], self._high[row, place] = flat.min(), flat.max()
                self._values[row, end - len(chosen) : end] = flat[chosen]
                del flat
            self._seen[row] = True

    def tensors(self, rows: np.ndarray) -> dict[str, TensorValues]:
        """What each tensor took over some of the images, by its name."""
        assert self._seen[rows].all()
        parts = np.split(np.asarray(self._values[rows]), self._ends[:-1], axis=1)
        return {
            name: TensorValues(part.ravel(), self._low[rows, place], self._high[rows, place])
            for place, (name, part) in enumerate(zip(self.names, parts, strict=True))
        }


def activations(float_model: bytes) -> set[str]:
    """Names of the float tensors that a verified file of one graph takes or computes."""
    content = schema.Model.GetRootAs(float_model, 0)
    graph = content.Subgraphs(0)
    operators = [graph.Operators(number) for number in range(graph.OperatorsLength())]
    indices = {graph.Inputs(place) for place in range(graph.InputsLength())}
    indices |= {each.Outputs(place) for each in operators for place in range(each.OutputsLength())}
    tensors = [graph.Tensors(index) for index in indices if index >= 0]
    return {each.Name().decode() for each in tensors if each.Type() == schema.TensorType.FLOAT32}
