"""Weights go up or down: the output comes nearer, and the plain quantizer makes the integers that were chosen."""

import numpy as np
import pytest
from built_files import RELU, Built, images, small_network
from test_bias_correction import PICTURES, quantizer

from segsweep.quantization.corrections.bias_correction import correct_biases
from segsweep.quantization.corrections.float_graph import FloatGraph
from segsweep.quantization.corrections.input_patches import (
    draw_positions,
    grouped,
    input_patches,
    ungrouped,
)
from segsweep.quantization.corrections.integer_graph import IntegerGraph, IntegerWeights
from segsweep.quantization.corrections.stepwise_run import StepwiseRun
from segsweep.quantization.corrections.weight_rounding import LayerProblem, Rounding, fit, round_weights
from segsweep.quantization.mixed import quantize_mixed
from segsweep.quantization.post_training import calibrate
from segsweep.quantization.recipe import LayerChoice, Recipe
from segsweep.tflite.flatbuffer import unpack
from segsweep.tflite.interpreter import TFLiteModel

QUICK = Rounding(steps=200, rows=1024)


def correlated(seed: int = 0, bits: int = 4) -> LayerProblem:
    """A layer whose inputs are mixtures of few, so that errors of weights can make up for each other."""
    rng = np.random.default_rng(seed)
    inputs = (rng.normal(size=(2048, 5)) @ rng.normal(size=(5, 40))).astype(np.float32)[np.newaxis]
    weights = rng.normal(size=(1, 40, 6)).astype(np.float32)
    largest = 2 ** (bits - 1) - 1
    scale = np.abs(weights).max(axis=1, keepdims=True) / np.float32(largest)
    return LayerProblem(
        weights=weights,
        nearest=np.rint(weights / scale).astype(np.int32),
        largest=largest,
        scale=scale,
        bias=np.zeros((1, 1, 6), np.float32),
        exact=inputs,
        rounded=inputs,
        activation=(0.0, np.inf),
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_error_of_the_output_is_far_below_that_of_the_nearest_integers(seed):
    problem = correlated(seed)
    found = fit(problem, QUICK, np.random.default_rng(0))
    ratio = problem.weights.astype(np.float64) / problem.scale
    assert ((found == np.floor(ratio)) | (found == np.ceil(ratio)) | (np.abs(found - ratio) < 1e-5)).all()
    everything = slice(None)
    errors, nearest = problem.errors(found, everything), problem.errors(problem.nearest, everything)
    assert (errors <= nearest).all()
    assert errors.sum() < 0.35 * nearest.sum()
    assert np.abs(found).max() == problem.largest


def test_where_nothing_is_to_be_gained_the_nearest_integers_stay():
    problem = correlated()
    rng = np.random.default_rng(0)
    exact = rng.normal(size=problem.exact.shape).astype(np.float32)
    # Inputs that say nothing about the targets: what would be fitted is noise.
    noise = rng.normal(size=problem.exact.shape).astype(np.float32)
    unrelated = LayerProblem(
        problem.weights, problem.nearest, problem.largest, problem.scale, problem.bias, exact, noise, (0.0, np.inf)
    )
    found = fit(unrelated, Rounding(steps=50), np.random.default_rng(0))
    held_out = slice(3 * 2048 // 4, None)
    assert (unrelated.errors(found, held_out) <= unrelated.errors(unrelated.nearest, held_out)).all()


@pytest.mark.parametrize("bits", [8, 4])
def test_the_plain_quantizer_makes_the_chosen_integers_with_the_same_scales(bits):
    file = small_network()
    quantized = quantizer(file, bits)
    rounded = round_weights(file, PICTURES, quantized, QUICK)
    assert rounded.layers == ("first", "deep", "wide", "up", "logits")
    assert round_weights(file, PICTURES, quantized, QUICK).float_model == rounded.float_model
    before, after = IntegerGraph(quantized(file)), IntegerGraph(quantized(rounded.float_model))
    moved = 0
    for each in FloatGraph(file).weighted:
        old, new = before.weights(each), after.weights(each)
        np.testing.assert_array_equal(old.scale, new.scale)
        ratio = FloatGraph(file).weights(each).astype(np.float64) / old.scale
        assert (np.abs(new.integers - ratio) < 1 + 1e-4).all()
        np.testing.assert_allclose(new.restored, FloatGraph(rounded.float_model).weights(each), rtol=1e-6, atol=1e-7)
        moved += int((old.integers != new.integers).sum())
    assert moved > 0
    assert IntegerGraph(quantized(rounded.float_model)).content.subgraphs[0].operators is not None


@pytest.mark.parametrize("seed", [0, 1])
def test_a_file_with_weights_of_4_bits_is_nearer_to_float(seed):
    file = small_network(seed)
    quantized = quantizer(file, bits=4)
    true = TFLiteModel(file).logits(images(16, seed=9))

    def error(model: bytes) -> float:
        return float(np.square(TFLiteModel(quantized(model)).logits(images(16, seed=9)) - true).mean())

    rounded = round_weights(file, images(64), quantized, Rounding()).float_model
    assert error(rounded) < 0.85 * error(file)
    # What the weights could not make up for, the biases do not spoil.
    assert error(correct_biases(rounded, PICTURES, quantized).float_model) < 0.9 * error(file)


def test_scales_that_clip_stay_where_the_weights_bring_them_along():
    file = small_network()
    graph, calibration = FloatGraph(file), calibrate(file, PICTURES)
    names = {graph.tensor_name(each.weights): LayerChoice("int4", "octav") for each in graph.weighted
             if each.kind == "CONV_2D"}  # fmt: skip
    recipe = Recipe(names, LayerChoice("int8"))
    clipping = quantize_mixed(file, recipe, calibration)
    rounded = round_weights(file, PICTURES, lambda model: quantize_mixed(model, recipe, calibration), QUICK)
    plain = quantize_mixed(rounded.float_model, recipe.plain, calibration)
    for each in graph.weighted:
        old, new = IntegerGraph(clipping).weights(each), IntegerGraph(plain).weights(each)
        reached = np.abs(old.integers).max(
            axis=tuple(axis for axis in range(4) if axis != each.output_axis), keepdims=True
        ) == old.largest  # fmt: skip
        # They are not quotients of a float32 and 7, so the last bit may differ.
        np.testing.assert_allclose(np.where(reached, new.scale, 0), np.where(reached, old.scale, 0), rtol=2e-7)


@pytest.mark.parametrize("largest", [7, 127])
def test_the_scale_of_restored_weights_is_the_same_bit_for_bit(largest):
    rng = np.random.default_rng(0)
    scale = np.exp(rng.uniform(-12, 3, (100_000, 1))).astype(np.float32) / np.float32(largest)
    integers = rng.integers(-largest, largest + 1, (100_000, 4)).astype(np.int32)
    integers[:, 0] = largest
    restored = IntegerWeights(integers, scale, largest).restored
    again = np.abs(restored).max(axis=1, keepdims=True) / np.float32(largest)
    np.testing.assert_array_equal(again, scale)
    np.testing.assert_array_equal(np.rint(restored / again), integers)


@pytest.mark.parametrize("place", range(5))
def test_patches_times_weights_are_what_the_layer_gives(place):
    file, pictures = small_network(), images(3)
    graph = FloatGraph(file)
    layer = graph.weighted[place]
    run = StepwiseRun(unpack(file), pictures)
    run.advance(layer.index)
    values = run.real(layer.data)
    at = draw_positions(graph, layer, len(pictures), 300, np.random.default_rng(0))
    weights = graph.weights(layer)
    products = input_patches(graph, layer, values, at) @ grouped(layer, weights, values.shape[-1])
    found = products.transpose(1, 0, 2).reshape(len(at.images), -1) + graph.bias(layer)
    run.advance(layer.index + 1)
    true = run.real(layer.output)[at.images, at.rows, at.columns]
    found = np.maximum(found, 0) if layer.activation == "RELU" else found
    np.testing.assert_allclose(found, true, rtol=1e-4, atol=1e-4 * np.abs(true).max())
    back = ungrouped(layer, grouped(layer, weights, values.shape[-1]), weights.shape)
    np.testing.assert_array_equal(back, weights)


def test_dense_layers_are_rounded_too():
    rng = np.random.default_rng(0)
    net = Built((1, 1, 1, 8))
    weights = net.constant(rng.normal(size=(4, 8)).astype(np.float32))
    made = net.operator(
        "FULLY_CONNECTED", [net.image, weights, net.constant(np.zeros(4, np.float32))], (1, 4), "dense",
        fusedActivationFunction=RELU,
    )  # fmt: skip
    last = net.constant(rng.normal(size=(3, 4)).astype(np.float32))
    file = net.file(net.operator("FULLY_CONNECTED", [made, last, net.constant(np.zeros(3, np.float32))], (1, 3), "out"))
    mixed = (rng.normal(size=(256, 1, 1, 2)) @ rng.normal(size=(2, 8))).astype(np.float32)
    calibration = calibrate(file, mixed)
    recipe = Recipe({}, LayerChoice("int4"))
    rounded = round_weights(file, mixed, lambda model: quantize_mixed(model, recipe, calibration), Rounding())
    assert rounded.layers == ("dense", "out")
    true = TFLiteModel(file).logits(mixed)
    errors = [
        np.square(TFLiteModel(quantize_mixed(model, recipe, calibration)).logits(mixed) - true).mean()
        for model in (file, rounded.float_model)
    ]
    assert errors[1] < errors[0]
