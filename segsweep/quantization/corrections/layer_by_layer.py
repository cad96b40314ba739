"""Goes through the layers of a float file and of the integer file that is made of it, side by side.

At each layer, the integer network's input is what the corrected layers before it give.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from segsweep.quantization.corrections.float_graph import FloatGraph, WeightedOperator, places_of
from segsweep.quantization.corrections.integer_graph import IntegerGraph
from segsweep.quantization.corrections.stepwise_run import StepwiseRun
from segsweep.tflite.flatbuffer import unpack

Quantize = Callable[[bytes], bytes]
"""Makes the integer file of a float file, always with the same ranges."""
_MEMORY = 512 * 2**20
"""Bytes that the largest float activation may take over all images."""


@dataclass(frozen=True)
class Corrected:
    """A float file after a correction."""

    float_model: bytes = field(repr=False)
    layers: tuple[str, ...]
    """Names of the outputs of the operators that changed; empty where the correction does not apply."""
    reason: str | None = None
    """Why nothing changed, where nothing did."""


class LayerByLayer:
    """Iterates over the weighted operators; the caller changes `graph` at each one before going on."""

    def __init__(self, float_model: bytes, images: np.ndarray, quantize: Quantize) -> None:
        """
        Args:
            float_model: the file to correct.
            images: (N, H, W, C) float32, normalized. Where memory allows fewer, the first ones are taken.
            quantize: makes the integer file of a float file.
        """
        self.graph = FloatGraph(float_model)
        for operator in self.graph.weighted:
            self.graph.set_bias(operator, self.graph.bias(operator))
        packed = self.graph.packed()
        images = images[: _affordable(self.graph, len(images))]
        self.integer = IntegerGraph(quantize(packed))
        """The integer file with the layers before the current one corrected."""
        self._exact = StepwiseRun(unpack(packed), images)
        self._rounded = StepwiseRun(self.integer.content, images)

    def __iter__(self) -> Iterator[WeightedOperator]:
        for operator in self.graph.weighted:
            self._exact.advance(operator.index)
            self._rounded.advance(self.integer.number(operator))
            yield operator
            # As the quantizer would; to quantize the whole file again for each layer would take far longer.
            self.integer.follow(operator, self.graph.weights(operator), self.graph.bias(operator))

    def exact_input(self, operator: WeightedOperator) -> np.ndarray:
        """(N, ...) float32: what the operator gets in the float network."""
        return self._exact.real(operator.data)

    def rounded_input(self, operator: WeightedOperator) -> np.ndarray:
        """(N, ...) float32: what it gets in the integer network."""
        return self._rounded.real(self.integer.input_tensor(operator, places_of(operator).data))


def _affordable(graph: FloatGraph, images: int) -> int:
    largest = max(int(np.prod([int(each) for each in tensor.shape])) for tensor in graph.graph.tensors)
    return max(min(images, _MEMORY // (4 * largest)), 1)
