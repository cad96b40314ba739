"""Cross-layer equalization: channels between two layers are scaled so that none is much smaller than the others.

Nagel et al. 2019, Data-Free Quantization, arXiv 1906.04721, section 4.1. A factor s > 0 commutes with whatever is
positively homogeneous and works channel by channel: the layer before is divided by it, all layers behind are
multiplied, and the network computes what it did. The paper's pairs are one producer and one consumer; here, skip
connections are followed to all the layers that read the channel, through concatenations as well. Depthwise layers are
part of two pairs; going over all pairs until nothing changes leaves the three ranges of a triple equal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from segsweep.quantization.corrections.float_graph import ACTIVATIONS, FloatGraph, WeightedOperator, along
from segsweep.quantization.corrections.layer_by_layer import Corrected

_ROUNDS = 20
_CONVERGED = 1e-3
"""Largest change of a factor, as a share, in the last round."""
_LARGEST_FACTOR = 64.0
"""Of a channel against the mean of its layer: one that is next to nothing is not blown up to be like the others."""
_HOMOGENEOUS_ACTIVATIONS = ("NONE", "RELU")
_CHANNELWISE = frozenset(
    {
        "RELU", "LEAKY_RELU", "PRELU", "MAX_POOL_2D", "AVERAGE_POOL_2D", "RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR",
        "PAD", "MIRROR_PAD", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND", "RESHAPE",
    }
)  # fmt: skip
"""Operators that commute with a positive factor for each channel of their first input, where the channels are the last
axis; PAD pads with 0."""


class _NotEqualizable(Exception):
    """Why the channels of a layer cannot be scaled."""


@dataclass(frozen=True)
class _Reader:
    """A layer that reads some channels."""

    operator: WeightedOperator
    offset: int
    """Which of its input channels is the first of them."""


@dataclass(frozen=True)
class Pair:
    """A layer and all that read its channels."""

    producer: WeightedOperator
    readers: tuple[_Reader, ...]


def pairs(graph: FloatGraph) -> tuple[tuple[Pair, ...], Mapping[str, str]]:
    """What can be equalized, in order, and why the other layers cannot, by the name of what they make."""
    found, reasons = [], {}
    for producer in graph.weighted:
        try:
            if producer.activation not in _HOMOGENEOUS_ACTIVATIONS:
                raise _NotEqualizable(f"its activation {producer.activation} is not positively homogeneous")
            found.append(Pair(producer, tuple(_follow(graph, producer.output, 0))))
        except _NotEqualizable as reason:
            reasons[producer.name] = str(reason)
    return tuple(found), reasons


def _follow(graph: FloatGraph, tensor: int, offset: int) -> list[_Reader]:
    """The layers that read a tensor's channels, which begin at `offset` of those of the producer."""
    if tensor in map(int, graph.graph.outputs):
        raise _NotEqualizable("it is an output of the model")
    by_number = {each.index: each for each in graph.weighted}
    readers: list[_Reader] = []
    for number in graph.consumers.get(tensor, ()):
        node = graph.graph.operators[number]
        kind = graph.kind(node)
        layer = by_number.get(number)
        if layer is not None and layer.data == tensor:
            if not _reads_all_channels(graph, layer):
                raise _NotEqualizable(f"{layer.name} is a convolution in groups")
            readers.append(_Reader(layer, offset))
            continue
        activation = ACTIVATIONS[getattr(node.builtinOptions, "fusedActivationFunction", 0)]
        inputs = [int(each) for each in node.inputs]
        rank = len(graph.graph.tensors[tensor].shape)
        if activation not in _HOMOGENEOUS_ACTIVATIONS:
            raise _NotEqualizable(f"{kind} with {activation} follows it")
        if kind == "CONCATENATION" and node.builtinOptions.axis in (-1, rank - 1) and inputs.count(tensor) == 1:
            before = sum(int(graph.graph.tensors[each].shape[-1]) for each in inputs[: inputs.index(tensor)])
            readers += _follow(graph, int(node.outputs[0]), offset + before)
        elif _keeps_channels(graph, kind, node) and inputs[0] == tensor:
            readers += _follow(graph, int(node.outputs[0]), offset)
        else:
            raise _NotEqualizable(f"{kind} follows it")
    if not readers:
        raise _NotEqualizable("no layer reads it")
    return readers


def _keeps_channels(graph: FloatGraph, kind: str, node: schema.OperatorT) -> bool:
    before, after = (graph.graph.tensors[int(each)].shape for each in (node.inputs[0], node.outputs[0]))
    if int(before[-1]) != int(after[-1]):
        return False
    if kind == "MEAN":
        axes = graph.content.buffers[graph.graph.tensors[int(node.inputs[1])].buffer].data
        return axes is not None and len(before) - 1 not in np.asarray(axes, np.uint8).view(np.int32) % len(before)
    return kind in _CHANNELWISE


def _reads_all_channels(graph: FloatGraph, layer: WeightedOperator) -> bool:
    """Whether each input channel of the weights is one of the input."""
    channels, weights = int(graph.graph.tensors[layer.data].shape[-1]), graph.weights(layer)
    count = weights.shape[layer.input_axis]
    return count % channels == 0 if layer.kind == "DEPTHWISE_CONV_2D" else count == channels


def equalize(float_model: bytes) -> Corrected:
    """The float file with equalized channels; it computes the same up to float32 rounding.

    The ranges of weights are balanced, as in the paper. To balance the ranges of activations with the weights behind
    them in their place was worse with weights of 4 bits, and no better with 8.
    """
    graph = FloatGraph(float_model)
    found, reasons = pairs(graph)
    if not found:
        reason = next((f"{name}: {why}" for name, why in reasons.items()), "it has no weights of its own")
        return Corrected(float_model, (), f"no layer can be equalized ({reason})")
    for pair, factor in zip(found, _factors(graph, found), strict=True):
        _scale(graph, pair.producer, 1 / factor, pair.producer.output_axis)
        if graph.bias(pair.producer).any():
            graph.set_bias(pair.producer, (graph.bias(pair.producer) / factor).astype(np.float32))
        for reader in pair.readers:
            _scale(graph, reader.operator, _wide(graph, reader, factor), reader.operator.input_axis)
    return Corrected(graph.packed(), tuple(pair.producer.name for pair in found))


def _factors(graph: FloatGraph, found: Sequence[Pair]) -> list[np.ndarray]:
    """(C,) float64 for each pair: what the producer's channels are divided by."""
    factors = [np.ones(len(graph.bias(pair.producer))) for pair in found]
    sizes = {each.name: np.abs(graph.weights(each).astype(np.float64)) for each in graph.weighted}
    for _ in range(_ROUNDS):
        largest = 0.0
        for place, pair in enumerate(found):
            name, axis = pair.producer.name, pair.producer.output_axis
            first = _largest(sizes[name], axis)
            second = np.max([_read_sizes(graph, sizes, reader, len(first)) for reader in pair.readers], axis=0)
            step = _step(first, second, factors[place])
            factors[place] = factors[place] * step
            sizes[name] = sizes[name] * along(1 / step, sizes[name].ndim, axis)
            for reader in pair.readers:
                other, axis = sizes[reader.operator.name], reader.operator.input_axis
                sizes[reader.operator.name] = other * along(_wide(graph, reader, step), other.ndim, axis)
            largest = max(largest, float(np.abs(np.log(step)).max()))
        if largest < _CONVERGED:
            break
    return factors


def _step(first: np.ndarray, second: np.ndarray, so_far: np.ndarray) -> np.ndarray:
    """(C,) equation 11 of the paper, with a mean of 1; 1 for a channel without range.

    A factor that all channels have does nothing for them, and would move the parts of a concatenation, which share a
    scale, away from each other.
    """
    used = (first > 0) & (second > 0)
    if not used.any():
        return np.ones_like(first)
    before = np.log(so_far[used])
    after = before + (np.log(first[used]) - np.log(second[used])) / 2
    limit = np.log(_LARGEST_FACTOR)
    step = np.ones_like(first)
    step[used] = np.exp(np.clip(after - after.mean(), -limit, limit) - before)
    return step


def _largest(sizes: np.ndarray, axis: int) -> np.ndarray:
    return sizes.max(axis=tuple(each for each in range(sizes.ndim) if each != axis))


def _read_sizes(graph: FloatGraph, sizes: Mapping[str, np.ndarray], reader: _Reader, channels: int) -> np.ndarray:
    """(C,) the largest weight behind each of the channels."""
    by_input = _largest(sizes[reader.operator.name], reader.operator.input_axis)
    by_input = by_input.reshape(_input_channels(graph, reader.operator), -1).max(axis=1)
    return by_input[reader.offset : reader.offset + channels]


def _wide(graph: FloatGraph, reader: _Reader, factors: np.ndarray) -> np.ndarray:
    """Factors for all along the input axis of a reader's weights, 1 for what other layers make."""
    channels = _input_channels(graph, reader.operator)
    wide = np.ones(channels)
    wide[reader.offset : reader.offset + len(factors)] = factors
    return np.repeat(wide, graph.weights(reader.operator).shape[reader.operator.input_axis] // channels)


def _input_channels(graph: FloatGraph, layer: WeightedOperator) -> int:
    return int(graph.graph.tensors[layer.data].shape[-1])


def _scale(graph: FloatGraph, layer: WeightedOperator, factors: np.ndarray, axis: int) -> None:
    weights = graph.weights(layer)
    graph.set_weights(layer, (weights * along(factors, weights.ndim, axis)).astype(np.float32))
