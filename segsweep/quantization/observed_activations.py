"""What the activations of a float file are, image by image: looked at once, for any choice of images among them."""

import tempfile
from collections.abc import Collection, Iterable

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

_VALUES = 2048
"""Of each tensor and image that are kept, evenly spread."""


class ObservedActivations:
    """Of N images and T tensors of a float file, filled as images are added; keeps an interpreter."""

    def __init__(self, float_model: bytes, count: int, names: Collection[str]) -> None:
        """
        Args:
            float_model: the file.
            count: N, how many images there may be.
            names: of tensors; those that the file does not have are left out.
        """
        self._interpreter = Interpreter(
            model_content=float_model,
            num_threads=1,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
        )
        self._interpreter.allocate_tensors()
        self._port = self._interpreter.get_input_details()[0]["index"]
        details = [each for each in self._interpreter.get_tensor_details() if each["name"] in names]
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
                flat = self._interpreter.get_tensor(tensor).ravel()
                self._low[row, place], self._high[row, place] = flat.min(), flat.max()
                self._values[row, end - len(chosen) : end] = flat[chosen]
            self._seen[row] = True

    def ranges_of(self, rows: np.ndarray) -> dict[str, tuple[float, float]]:
        """Smallest and largest value of each tensor over some of the images."""
        assert self._seen[rows].all()
        low, high = self._low[rows].min(axis=0), self._high[rows].max(axis=0)
        return {name: (float(low[place]), float(high[place])) for place, name in enumerate(self.names)}

    def values_of(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Some values (M,) float32 of each tensor over some of the images."""
        assert self._seen[rows].all()
        parts = np.split(np.asarray(self._values[rows]), self._ends[:-1], axis=1)
        return {name: part.ravel() for name, part in zip(self.names, parts, strict=True)}
