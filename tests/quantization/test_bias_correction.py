"""Means of quantized outputs become those of the float file, in the order of the layers."""

import numpy as np
import pytest
from built_files import NONE, VALID, Built, images, small_network

from segsweep.quantization.corrections.bias_correction import correct_biases, output_mean
from segsweep.quantization.corrections.float_graph import FloatGraph
from segsweep.quantization.corrections.integer_graph import IntegerGraph
from segsweep.quantization.mixed import quantize_mixed
from segsweep.quantization.post_training import Calibration, calibrate, quantize
from segsweep.quantization.recipe import LayerChoice, Recipe
from segsweep.quantization.variants import VARIANTS
from segsweep.tflite.interpreter import TFLiteModel

PICTURES = images(24)


def quantizer(file: bytes, bits: int = 8, calibration: Calibration | None = None):
    calibration = calibration or calibrate(file, PICTURES)
    if bits == 8:
        return lambda model: quantize(model, VARIANTS["int8"], calibration)
    named = {each.name: each for each in FloatGraph(file).weighted}
    recipe = Recipe(
        {FloatGraph(file).tensor_name(named[name].weights): LayerChoice("int4") for name in ("first", "wide")},
        LayerChoice("int8"),
    )
    return lambda model: quantize_mixed(model, recipe, calibration)


def chain(count: int = 2) -> bytes:
    """1x1 convolutions of one channel in a row; the first has weights of 127 and 0.6 steps of int8."""
    net = Built((1, 2, 2, 2))
    x, channels = net.image, 2
    for number in range(count):
        weights = np.array([1.0, 0.6 / 127] if number == 0 else [1.0], np.float32).reshape(1, 1, 1, channels)
        zero = net.constant(np.zeros(1, np.float32))
        x = net.operator(
            "CONV_2D", [x, net.constant(weights), zero], (1, 2, 2, 1), f"layer {number}",
            fusedActivationFunction=NONE, padding=VALID,
        )  # fmt: skip
        channels = 1
    return net.file(x)


def test_the_bias_makes_up_for_the_rounding_of_weights_by_hand():
    # 0.6 steps are rounded to 1: 0.4 / 127 too much for each unit of the second band, whose mean is 100.
    file = chain(1)
    pictures = np.zeros((4, 2, 2, 2), np.float32)
    pictures[..., 1] = 100
    pictures[0, 0, 0, 0], pictures[1, 0, 0, 0] = 127, -128  # exact in steps of 1
    calibration = Calibration(
        {FloatGraph(file).tensor_name(0): (-128.0, 127.0), "layer 0": (-128.0, 127.0)}, len(pictures)
    )
    found = correct_biases(file, pictures, quantizer(file, calibration=calibration))
    graph = FloatGraph(found.float_model)
    assert graph.bias(graph.weighted[0])[0] == pytest.approx(-100 * 0.4 / 127, rel=1e-5)
    assert found.layers == ("layer 0",)


def test_a_later_layer_makes_up_only_for_what_is_left():
    file = chain(2)
    pictures = np.full((4, 2, 2, 2), 100, np.float32)
    calibration = Calibration(
        {FloatGraph(file).tensor_name(0): (-128.0, 127.0)} | {f"layer {n}": (-128.0, 127.0) for n in range(2)}, 4
    )
    graph = FloatGraph(correct_biases(file, pictures, quantizer(file, calibration=calibration)).float_model)
    first, second = (float(graph.bias(each)[0]) for each in graph.weighted)
    assert first == pytest.approx(-100 * 0.4 / 127, rel=1e-4)
    # Its input is 100 + 0.6 / 127 * 100 = 100.47 in float, and 100 on the grid of steps of 1.
    assert second == pytest.approx(0.6 / 127 * 100, abs=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_output_means_of_a_whole_network_come_nearer(seed):
    file = small_network(seed)
    quantized = quantizer(file, bits=4)
    found = correct_biases(file, PICTURES, quantized)
    assert found.layers == ("first", "deep", "wide", "up", "logits")
    true = TFLiteModel(file).logits(PICTURES)

    def off(model: bytes) -> float:
        return float(np.abs((TFLiteModel(quantized(model)).logits(PICTURES) - true).mean(axis=(0, 1, 2))).max())

    assert off(found.float_model) < 0.5 * off(file)
    assert correct_biases(file, PICTURES, quantized).float_model == found.float_model


def test_the_mean_output_is_that_of_all_positions():
    file = small_network()
    graph = FloatGraph(file)
    first = graph.weighted[0]
    mean = output_mean(graph, first, graph.weights(first), PICTURES.mean(axis=0))
    # Without ReLU, by NumPy: padded correlation.
    padded = np.pad(PICTURES, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    expected = np.einsum("nhwcyx,oyxc->nhwo", windows, graph.weights(first)) + graph.bias(first)
    np.testing.assert_allclose(mean, expected.mean(axis=(0, 1, 2)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bits", [8, 4])
def test_the_integer_file_follows_as_the_quantizer_would_make_it(bits):
    file = small_network()
    quantized = quantizer(file, bits)
    graph = FloatGraph(file)
    for each in graph.weighted:
        graph.set_bias(each, graph.bias(each))
    followed = IntegerGraph(quantized(graph.packed()))
    rng = np.random.default_rng(0)
    for each in graph.weighted:
        graph.set_bias(each, graph.bias(each) + rng.normal(size=len(graph.bias(each))).astype(np.float32))
        weights = graph.weights(each).copy()
        keeps = np.abs(weights) == np.abs(weights).max(
            axis=tuple(axis for axis in range(4) if axis != each.output_axis), keepdims=True
        )
        graph.set_weights(each, np.where(keeps, weights, 0.9 * weights).astype(np.float32))
        followed.follow(each, graph.weights(each), graph.bias(each))
    expected = IntegerGraph(quantized(graph.packed())).content
    for ours, theirs in zip(followed.content.buffers, expected.buffers, strict=True):
        if theirs.data is not None:
            np.testing.assert_array_equal(ours.data, theirs.data)
