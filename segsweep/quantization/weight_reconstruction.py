"""Which algorithm rounds the weights of a layer to 4 bits: the one whose outputs are nearest to the float layer's.

The error of the weights themselves says less: a weight matters as its inputs do.
"""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from segsweep.quantization.choices import PLAIN
from segsweep.quantization.corrections.float_graph import FloatGraph, WeightedOperator
from segsweep.quantization.corrections.input_patches import Positions, draw_positions, grouped, input_patches
from segsweep.quantization.corrections.integer_graph import IntegerGraph
from segsweep.quantization.corrections.stepwise_run import StepwiseRun
from segsweep.quantization.layers import Layer
from segsweep.quantization.mixed import quantize_mixed
from segsweep.quantization.post_training import Calibration
from segsweep.quantization.recipe import LayerChoice, Recipe
from segsweep.tflite.flatbuffer import unpack

ALGORITHMS = (PLAIN, "octav", "mse")
"""What is tried; on ties the first one is taken."""
_IMAGES = 16
_ROWS = 128
"""Outputs of a layer in each image, at most."""


def best_algorithms(
    float_model: bytes, calibration: Calibration, images: np.ndarray, wanted: Sequence[Layer]
) -> Mapping[str, str]:
    """The best of `ALGORITHMS` by the layer's name.

    Args:
        float_model: the float32 file.
        calibration: of it.
        images: (N, H, W, C) float32, normalized; 16 of them are taken, the same ones in any order.
        wanted: layers that can have weights of 4 bits.
    """
    files = {
        algorithm: IntegerGraph(
            quantize_mixed(
                float_model,
                Recipe({layer.name: LayerChoice("int4", algorithm) for layer in wanted}, LayerChoice("int8")),
                calibration,
            )
        )
        for algorithm in ALGORITHMS
    }
    graph, names = FloatGraph(float_model), {layer.weighted.outputs[0]: layer.name for layer in wanted}
    run = StepwiseRun(unpack(float_model), _some(images))
    found = dict.fromkeys((layer.name for layer in wanted), PLAIN)
    for operator in graph.weighted:
        if operator.name not in names:
            continue
        run.advance(operator.index)
        rounded = {algorithm: _restored(content, operator) for algorithm, content in files.items()}
        errors = output_errors(graph, operator, run.real(operator.data), rounded)
        found[names[operator.name]] = min(ALGORITHMS, key=errors.__getitem__)
    return found


def output_errors(
    graph: FloatGraph, operator: WeightedOperator, data: np.ndarray, rounded: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """Mean squared error of what a layer gives before its activation, for weights in place of its own.

    Args:
        graph: of the float file.
        operator: one of it.
        data: (N, ...) float32, its input.
        rounded: weights in the layout of its own, by a name.
    """
    weights, channels = graph.weights(operator), data.shape[-1]
    # The same places in each image, so that the order of the images does not matter.
    place = draw_positions(graph, operator, 1, _ROWS, np.random.default_rng(0))
    count = len(place.rows)
    at = Positions(np.repeat(np.arange(len(data)), count), np.tile(place.rows, len(data)),
                   np.tile(place.columns, len(data)))  # fmt: skip
    patches = input_patches(graph, operator, data, at)
    return {
        name: float(np.square(patches @ grouped(operator, values - weights, channels), dtype=np.float64).mean())
        for name, values in rounded.items()
    }


def _restored(integer: IntegerGraph, operator: WeightedOperator) -> np.ndarray:
    weights = integer.weights(operator)
    assert weights is not None, f"{operator.name} has float weights"
    return weights.restored


def _some(images: np.ndarray) -> np.ndarray:
    """Images by what they hold, whatever their order."""
    order = sorted(range(len(images)), key=lambda row: hashlib.sha256(images[row].tobytes()).digest())
    return images[order[:_IMAGES]]
