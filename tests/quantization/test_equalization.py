"""Channels between layers are scaled as the paper says, and the network computes what it did."""

import numpy as np
import pytest
from built_files import NONE, RELU, RELU6, SAME, VALID, Built, images, small_network

from segsweep.quantization.corrections.equalization import equalize, pairs
from segsweep.quantization.corrections.float_graph import FloatGraph
from segsweep.tflite.interpreter import TFLiteModel


def two_layers(activation=RELU, between=None, readers=1) -> bytes:
    """1x1 convolutions of 2 channels; their ranges are (4, 1) before and (1, 4), by input, behind."""
    net = Built((1, 4, 4, 1))
    first = net.constant(np.array([4.0, -1.0], np.float32).reshape(2, 1, 1, 1))
    x = net.operator(
        "CONV_2D", [net.image, first, net.constant(np.array([0.4, 0.3], np.float32))], (1, 4, 4, 2), "first",
        fusedActivationFunction=activation, padding=VALID,
    )  # fmt: skip
    if between == "pool":
        x = net.operator(
            "MAX_POOL_2D", [x], (1, 4, 4, 2), "pool",
            filterHeight=1, filterWidth=1, strideH=1, strideW=1, padding=VALID,
        )  # fmt: skip
    elif between == "pad":
        margins = net.constant(np.array([[0, 0], [0, 0], [0, 0], [0, 0]], np.int32))
        x = net.operator("PAD", [x, margins], (1, 4, 4, 2), "pad")
    elif between == "sigmoid":
        x = net.operator("LOGISTIC", [x], (1, 4, 4, 2), "sigmoid")
    made = []
    for reader in range(readers):
        weights = net.constant(np.array([[1.0, -4.0], [0.5, 0.0]], np.float32).reshape(2, 1, 1, 2))
        bias = net.constant(np.zeros(2, np.float32))
        made.append(net.operator("CONV_2D", [x, weights, bias], (1, 4, 4, 2), f"second {reader}", padding=VALID))
    if readers == 2:
        return net.file(net.operator("ADD", made, (1, 4, 4, 2), "sum"))
    return net.file(made[0])


@pytest.mark.parametrize("between", [None, "pool", "pad"])
@pytest.mark.parametrize("readers", [1, 2])
def test_ranges_before_and_behind_become_equal(between, readers):
    graph = FloatGraph(equalize(two_layers(between=between, readers=readers)).float_model)
    first, *second = graph.weighted
    # By hand: s = sqrt(r1 r2) / r2 is (2, 1/2), so both ranges of both channels become 2.
    np.testing.assert_allclose(graph.weights(first).ravel(), [2, -2], rtol=1e-6)
    np.testing.assert_allclose(graph.bias(first), [0.2, 0.6], rtol=1e-6)
    for each in second:
        np.testing.assert_allclose(graph.weights(each).reshape(2, 2), [[2, -2], [1, 0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"activation": RELU6}, "RELU6 is not positively homogeneous"),
        ({"between": "sigmoid"}, "LOGISTIC follows it"),
    ],
)
def test_what_does_not_commute_with_a_factor_is_left_as_it_is_and_says_why(settings, reason):
    file = two_layers(**settings)
    found = equalize(file)
    assert found.float_model == file
    assert found.layers == ()
    assert reason in found.reason


def test_without_activation_it_commutes_too():
    assert equalize(two_layers(activation=NONE)).layers == ("first",)


def test_channels_of_triples_through_a_depthwise_layer_get_equal_ranges():
    net = Built((1, 4, 4, 1))
    first = net.constant(np.array([8.0, 1.0], np.float32).reshape(2, 1, 1, 1))
    middle = net.constant(np.array([1.0, 1.0], np.float32).reshape(1, 1, 1, 2))
    last = net.constant(np.array([[1.0, 32.0]], np.float32).reshape(1, 1, 1, 2))
    zeros = net.constant(np.zeros(2, np.float32))
    x = net.operator(
        "CONV_2D", [net.image, first, zeros], (1, 4, 4, 2), "first", fusedActivationFunction=RELU, padding=SAME
    )
    x = net.operator(
        "DEPTHWISE_CONV_2D", [x, middle, zeros], (1, 4, 4, 2), "middle", fusedActivationFunction=RELU, padding=SAME
    )
    zero = net.constant(np.zeros(1, np.float32))
    file = net.file(net.operator("CONV_2D", [x, last, zero], (1, 4, 4, 1), "last", padding=SAME))
    graph = FloatGraph(equalize(file).float_model)
    # The product of a channel's three ranges stays.
    first, middle, last = (graph.weights(each).ravel() for each in graph.weighted)
    np.testing.assert_allclose(first * middle * last, [8, 32], rtol=1e-5)
    for each in (first, middle, last):
        assert each[1] == pytest.approx(4 ** (1 / 3) * each[0], rel=3e-3)


@pytest.mark.parametrize("seed", range(3))
def test_a_whole_network_with_a_skip_connection_computes_what_it_did(seed):
    file, pictures = small_network(seed), images(4)
    found = equalize(file)
    assert found.layers == ("first", "deep", "wide", "up")
    graph = FloatGraph(file)
    ((first, readers),) = [(each.producer.name, each.readers) for each in pairs(graph)[0] if each.producer.index == 0]
    assert first == "first"
    assert [(each.operator.name, each.offset) for each in readers] == [("deep", 0), ("logits", 5)]
    true = TFLiteModel(file).logits(pictures)
    np.testing.assert_allclose(
        TFLiteModel(found.float_model).logits(pictures), true, atol=1e-5 * np.abs(true).max(), rtol=0
    )
    assert found.float_model != file
    assert equalize(file).float_model == found.float_model


def test_zeros_stay_zeros():
    graph = FloatGraph(small_network())
    for each in graph.weighted:
        weights = graph.weights(each).copy()
        weights[np.abs(weights) < np.median(np.abs(weights))] = 0
        graph.set_weights(each, weights)
    after = FloatGraph(equalize(graph.packed()).float_model)
    for each in graph.weighted:
        np.testing.assert_array_equal(after.weights(each) == 0, graph.weights(each) == 0)
