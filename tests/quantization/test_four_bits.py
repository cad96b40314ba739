"""The recipe of an `int4` file: which layers keep 8 bits, by the rule and by what validation images say."""

import numpy as np
import pytest
import small_unet
import tf_keras as keras
from numpy.testing import assert_allclose

from segsweep.errors import VariantError
from segsweep.quantization import four_bits as rule
from segsweep.quantization.corrections.float_graph import FloatGraph
from segsweep.quantization.four_bits import four_bits, kept_by_rule, recipe_of
from segsweep.quantization.layers import Layer, Operator, layers
from segsweep.quantization.mixed import quantize_mixed
from segsweep.quantization.post_training import calibrate
from segsweep.quantization.range_selection import SelectionImages
from segsweep.quantization.recipe import LayerChoice, parse_recipe
from segsweep.quantization.variants import VARIANTS, check
from segsweep.quantization.weight_reconstruction import best_algorithms, output_errors
from segsweep.tflite.census import census
from segsweep.tflite.conversion import convert_float
from segsweep.tflite.interpreter import TFLiteModel


def layer(name: str, weights: int, kind: str = "CONV_2D", **ends: bool) -> Layer:
    ends = {"takes_input": False, "gives_output": False} | ends
    return Layer(name, name, Operator(kind, f"{name};", (name,)), (), weights, (), **ends)


def network(*middle: Layer, first: int = 100, last: int = 20) -> list[Layer]:
    return [layer("first", first, takes_input=True), *middle, layer("last", last, gives_output=True)]


def judged(upsampling: str, images: int = 12) -> SelectionImages:
    values, labels = small_unet.blobs(images, seed=3)
    reference = TFLiteModel(small_unet.float_file(upsampling)).predict(values)
    return SelectionImages(values, labels, reference, small_unet.CLASSES, np.arange(images), "mean_iou")


def found(upsampling: str) -> rule.FourBits:
    images, _ = small_unet.blobs(32, seed=0)
    return four_bits(small_unet.float_file(upsampling), small_unet.calibration(upsampling), images, judged(upsampling))


def test_the_first_and_the_last_layer_keep_8_bits_and_use_up_a_part_of_the_budget():
    kept, spare = kept_by_rule(network(layer("middle", 9880)))
    assert kept == {"first", "last"}
    assert spare == 600 - 120  # 6 % of 10 000 weights


def test_a_first_layer_with_most_of_the_weights_gets_4_bits_as_all_others():
    kept, spare = kept_by_rule(network(layer("middle", 880), first=9100))
    assert kept == {"last"}
    assert spare == 580


def test_layers_without_kernels_keep_8_bits_and_count_nowhere():
    without = [layer("depthwise", 50_000, "DEPTHWISE_CONV_2D"), layer("up", 50_000, "CONV_2D_TRANSPOSE")]
    network_ = network(layer("middle", 9880), *without)
    kept, spare = kept_by_rule(network_)
    assert (kept, spare) == ({"first", "last"}, 480)
    made = recipe_of(network_, kept, {"middle": "octav"})
    assert {name: str(choice) for name, choice in made.layers.items()} == {
        "first": "int8",
        "middle": "int4 octav",
        "depthwise": "int8",
        "up": "int8",
        "last": "int8",
    }


def test_the_budget_goes_to_the_layers_that_change_most_for_each_byte():
    able = [layer("large", 400), layer("small", 50), layer("harmless", 10), layer("other", 90)]
    damages = {"large": 0.04, "small": 0.02, "harmless": 0.0, "other": 0.01}
    # By weight 0.0001, 0.0004, nothing and 0.00011.
    assert [each.name for each in rule._affordable(able, damages, 480)] == ["small", "other"]
    assert [each.name for each in rule._affordable(able, damages, 540)] == ["small", "other", "large"]


@pytest.mark.parametrize("least", range(6))
def test_the_fewest_layers_that_will_do_are_kept(least):
    assert rule._first(lambda count: count >= least, 5) == min(least, 5)


@pytest.mark.parametrize("upsampling", ["nearest", "transposed"])
def test_the_recipe_makes_a_file_that_is_int4_and_again_the_same_bytes(upsampling):
    one, again = found(upsampling), found(upsampling)
    assert one.recipe == again.recipe
    float_file, calibration = small_unet.float_file(upsampling), small_unet.calibration(upsampling)
    file = quantize_mixed(float_file, one.recipe, calibration)
    check(VARIANTS["int4"], census(file))
    read = parse_recipe(one.recipe.to_yaml(), "here")
    assert quantize_mixed(float_file, read, calibration) == file
    for each in layers(float_file):
        can = each.weighted.kind == "CONV_2D"
        is_end = each.takes_input or each.gives_output
        small = each.weight_count <= 0.06 * sum(other.weight_count for other in layers(float_file))
        if not can or (is_end and small):
            assert one.recipe.of(each.name) == LayerChoice("int8")
    weights = sum(op.weight_count * (4 if op.weights == "int4" else 8) for op in census(file).compute)
    able = sum(op.weight_count * 8 for op in census(file).compute if op.name == "CONV_2D")
    others = sum(op.weight_count * 8 for op in census(file).compute if op.name != "CONV_2D")
    assert weights - others <= 0.53 * able


def test_a_layer_whose_4_bits_change_many_predictions_gets_8_back(monkeypatch):
    """The second convolution reads two channels of very different size: one scale of 15 steps loses the smaller one."""
    float_file = small_unet.float_file("nearest")
    graph = FloatGraph(float_file)
    second = graph.weighted[1]
    weights = graph.weights(second).copy()
    weights[:, 0, 0, 0] = 40 * np.abs(weights).max()
    graph.set_weights(second, weights)
    spoilt = graph.packed()
    values, labels = small_unet.blobs(12, seed=3)
    reference = TFLiteModel(spoilt).predict(values)
    images = SelectionImages(values, labels, reference, small_unet.CLASSES, np.arange(12), "mean_iou")
    monkeypatch.setattr(rule, "LARGEST_SHARE", 0.2)
    monkeypatch.setattr(rule, "best_algorithms", lambda model, calibration, images, wanted: dict.fromkeys(
        (layer.name for layer in wanted), "min_max"))  # fmt: skip
    result = four_bits(spoilt, calibrate(spoilt, small_unet.blobs(64, seed=0)[0]), values, images)
    trial = result.trials[1]
    assert trial.is_kept
    assert trial.damage > 0.05
    assert result.recipe.of(trial.layer) == LayerChoice("int8")
    assert b",8\n" in result.table()


def test_a_network_without_kernels_for_4_bits_is_refused(monkeypatch):
    monkeypatch.setattr(rule, "can_be_four_bits", lambda layer: False)
    with pytest.raises(VariantError, match="no layer can have weights of 4 bits: the model has CONV_2D alone"):
        found("nearest")


def test_the_error_of_an_output_is_that_of_the_convolution():
    """Against LiteRT itself: the difference between the outputs of a layer with its own and with other weights."""
    graph = FloatGraph(small_unet.float_file("nearest"))
    first, images = graph.weighted[0], small_unet.blobs(4, seed=2)[0]
    other = graph.weights(first) + np.float32(0.01)
    errors = output_errors(graph, first, images, {"own": graph.weights(first), "other": other})
    assert errors["own"] == 0
    # All weights are too large by 0.01: each output is by 0.01 times the sum of its inputs, 9 pixels of 4 bands.
    padded = np.pad(images.sum(axis=-1), ((0, 0), (1, 1), (1, 1)))
    sums = sum(padded[:, row : row + 32, column : column + 32] for row in range(3) for column in range(3))
    assert_allclose(errors["other"], np.square(0.01 * sums).mean(), rtol=0.2)


def test_weights_with_an_outlier_are_clipped_where_that_is_nearer():
    float_file = small_unet.float_file("nearest")
    wanted = [each for each in layers(float_file) if each.weighted.kind == "CONV_2D"]
    images, _ = small_unet.blobs(8, seed=0)
    chosen = best_algorithms(float_file, small_unet.calibration("nearest"), images, wanted)
    assert set(chosen) == {each.name for each in wanted}
    assert chosen == best_algorithms(float_file, small_unet.calibration("nearest"), images[::-1], wanted)


def test_a_dense_layer_of_a_classifier_gets_4_bits():
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(128, activation="relu")(x)
    outputs = keras.layers.Dense(5)(keras.layers.Dense(128, activation="relu")(x))
    float_file = convert_float(keras.Model(inputs, outputs))
    values = np.random.default_rng(0).normal(size=(12, 16, 16, 3)).astype(np.float32)
    reference = TFLiteModel(float_file).predict(values)
    images = SelectionImages(values, reference, reference, 5, np.arange(12), "accuracy")
    calibration = calibrate(float_file, values)
    result = four_bits(float_file, calibration, values, images)
    counted = census(quantize_mixed(float_file, result.recipe, calibration))
    check(VARIANTS["int4"], counted)
    dense = {op.weight_count: op.weights for op in counted.compute if op.name == "FULLY_CONNECTED"}
    assert dense[128 * 128] == "int4"
    assert dense[128 * 5] == "int8"  # the last layer, 3 % of the weights
