"""A layer as matrix products: the inputs behind some of its outputs, and its weights in the same order."""

from dataclasses import dataclass, field

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from segsweep.quantization.corrections.float_graph import FloatGraph, WeightedOperator


@dataclass(frozen=True)
class _Axis:
    """One of the two directions of an image."""

    kernel: int
    stride: int
    dilation: int
    before: int
    """Padding before the first pixel."""
    size: int
    """Pixels of the input."""
    outputs: int
    """Pixels of the output."""

    def read(self, outputs: np.ndarray, *, transposed: bool) -> tuple[np.ndarray, np.ndarray]:
        """(R, kernel) input pixels behind output pixels (R,), and where there is one; elsewhere the number is 0."""
        taps = np.arange(self.kernel)
        if transposed:
            scaled = outputs[:, None] + self.before - taps
            places, there = scaled // self.stride, scaled % self.stride == 0
        else:
            places = outputs[:, None] * self.stride + taps * self.dilation - self.before
            there = np.ones_like(places, bool)
        there &= (places >= 0) & (places < self.size)
        return np.where(there, places, 0), there


@dataclass(frozen=True)
class Positions:
    """Outputs of a layer over N images: pixels of images, or rows of a dense layer."""

    images: np.ndarray = field(repr=False)
    """(R,) which image."""
    rows: np.ndarray = field(repr=False)
    """(R,) which row of pixels."""
    columns: np.ndarray = field(repr=False)
    """(R,) which column."""


def draw_positions(
    graph: FloatGraph, operator: WeightedOperator, images: int, count: int, generator: np.random.Generator
) -> Positions:
    """About `count` positions at random, as many in each of the images."""
    height, width = _output_size(graph, operator)
    each = max(min(count // images, height * width), 1)
    which = np.repeat(np.arange(images), each)
    return Positions(which, generator.integers(height, size=len(which)), generator.integers(width, size=len(which)))


def input_patches(graph: FloatGraph, operator: WeightedOperator, values: np.ndarray, at: Positions) -> np.ndarray:
    """(G, R, K) float32: the inputs of a layer's outputs, in G groups of channels that only some weights read.

    Args:
        graph: of the float file.
        operator: one of it.
        values: (N, H, W, C) its input, or (N, C).
        at: R outputs.
    """
    if operator.kind == "FULLY_CONNECTED":
        return values.reshape(len(values), -1, values.shape[-1])[at.images, at.columns][np.newaxis]
    vertical, horizontal = _axes(graph, operator)
    transposed = operator.kind == "TRANSPOSE_CONV"
    rows, row_there = vertical.read(at.rows, transposed=transposed)
    columns, column_there = horizontal.read(at.columns, transposed=transposed)
    patches = values[at.images[:, None, None], rows[:, :, None], columns[:, None, :]]
    patches = patches * (row_there[:, :, None] & column_there[:, None, :])[..., None]
    count = len(at.images)
    if operator.kind == "DEPTHWISE_CONV_2D":
        return np.ascontiguousarray(patches.reshape(count, -1, patches.shape[-1]).transpose(2, 0, 1), np.float32)
    return patches.reshape(1, count, -1).astype(np.float32)


def grouped(operator: WeightedOperator, weights: np.ndarray, channels: int) -> np.ndarray:
    """(G, K, O) weights, or what has their shape, in the order of the patches: G groups with O outputs each.

    Args:
        operator: a layer.
        weights: in its layout.
        channels: of its input.
    """
    if operator.kind == "DEPTHWISE_CONV_2D":
        taps = weights.shape[1] * weights.shape[2]
        return np.ascontiguousarray(weights.reshape(taps, channels, -1).transpose(1, 0, 2))
    return np.ascontiguousarray(weights.reshape(len(weights), -1).T)[np.newaxis]


def ungrouped(operator: WeightedOperator, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What `grouped` was given, of `shape`."""
    if operator.kind == "DEPTHWISE_CONV_2D":
        return values.transpose(1, 0, 2).reshape(shape)
    return values[0].T.reshape(shape)


def _axes(graph: FloatGraph, operator: WeightedOperator) -> tuple[_Axis, _Axis]:
    options = graph.graph.operators[operator.index].builtinOptions
    before, after = graph.graph.tensors[operator.data].shape, graph.graph.tensors[operator.output].shape
    kernel = graph.weights(operator).shape[1:3]
    strides = (options.strideH, options.strideW)
    dilations = (getattr(options, "dilationHFactor", 1), getattr(options, "dilationWFactor", 1))
    transposed = operator.kind == "TRANSPOSE_CONV"
    found = []
    for axis in range(2):
        size, outputs = int(before[1 + axis]), int(after[1 + axis])
        covered = (kernel[axis] - 1) * dilations[axis] + 1
        small, large = (size, outputs) if transposed else (outputs, size)
        padding = max((small - 1) * strides[axis] + covered - large, 0) if options.padding == schema.Padding.SAME else 0
        found.append(_Axis(kernel[axis], strides[axis], dilations[axis], padding // 2, size, outputs))
    return found[0], found[1]


def _output_size(graph: FloatGraph, operator: WeightedOperator) -> tuple[int, int]:
    shape = [int(each) for each in graph.graph.tensors[operator.output].shape]
    if operator.kind == "FULLY_CONNECTED":
        return 1, int(np.prod(shape[1:-1]))
    return shape[1], shape[2]
