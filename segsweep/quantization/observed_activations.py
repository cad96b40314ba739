"""What the activations of a float file are, image by image: looked at once, for any choice of images among them."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

_VALUES = 2048
"""Of each tensor and image that are kept, evenly spread."""


@dataclass(frozen=True, eq=False)
class Observed:
    """Of N images and T tensors."""

    names: tuple[str, ...]
    """Of the tensors."""
    low: np.ndarray = field(repr=False)
    """(N, T) float32: smallest value."""
    high: np.ndarray = field(repr=False)
    """(N, T) float32: largest value."""
    values: np.ndarray = field(repr=False)
    """(N, V) float32: some values of each tensor, one tensor beside the other; on disk."""
    widths: tuple[int, ...]
    """How many of each; V in all."""

    def ranges_of(self, rows: np.ndarray) -> dict[str, tuple[float, float]]:
        """Smallest and largest value of each tensor over some of the images."""
        low, high = self.low[rows].min(axis=0), self.high[rows].max(axis=0)
        return {name: (float(low[place]), float(high[place])) for place, name in enumerate(self.names)}

    def values_of(self, rows: np.ndarray) -> Mapping[str, np.ndarray]:
        """The values (M,) of each tensor that were kept of some of the images."""
        chosen = np.asarray(self.values[rows])
        parts = np.split(chosen, np.cumsum(self.widths)[:-1], axis=1)
        return {name: part.ravel() for name, part in zip(self.names, parts, strict=True)}


def observe(float_model: bytes, images: Iterable[np.ndarray], count: int, names: Sequence[str]) -> Observed:
    """Run a float file on images and keep what its tensors are.

    Args:
        float_model: the file.
        images: each (H, W, C) float32, normalized and padded.
        count: how many there are.
        names: of tensors; those that the file does not have are left out.
    """
    interpreter = Interpreter(
        model_content=float_model,
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    port = interpreter.get_input_details()[0]["index"]
    wanted = set(names)
    details = {each["name"]: each for each in interpreter.get_tensor_details() if each["name"] in wanted}
    widths = tuple(min(_VALUES, int(np.prod(each["shape"]))) for each in details.values())
    with tempfile.TemporaryFile() as file:  # stays while it is mapped
        values = np.memmap(file, np.float32, "w+", shape=(max(count, 1), max(sum(widths), 1)))
    low, high = (np.empty((count, len(details)), np.float32) for _ in range(2))
    for row, image in enumerate(images):
        interpreter.set_tensor(port, np.ascontiguousarray(image[np.newaxis], np.float32))
        interpreter.invoke()
        start = 0
        for place, (each, width) in enumerate(zip(details.values(), widths, strict=True)):
            flat = interpreter.get_tensor(each["index"]).ravel()
            low[row, place], high[row, place] = flat.min(), flat.max()
            values[row, start : start + width] = flat[np.linspace(0, flat.size - 1, width).astype(np.int64)]
            start += width
    return Observed(tuple(details), low, high, values, widths)
