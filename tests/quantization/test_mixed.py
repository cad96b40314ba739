"""Files of mixed precision: each layer is what the recipe says, held against the plain variants and the file itself."""

import random

import numpy as np
import pytest
import small_unet
from ai_edge_litert import schema_py_generated as schema

from segsweep.errors import ModelError
from segsweep.quantization.choices import CHOICES
from segsweep.quantization.layers import layers
from segsweep.quantization.mixed import possible_choices, quantize_mixed
from segsweep.quantization.recipe import LayerChoice, Recipe
from segsweep.tflite.census import census
from segsweep.tflite.flatbuffer import unpack
from segsweep.tflite.interpreter import TFLiteModel

UNIFORM = {
    "int8": "int8",
    "int16x8": "int16x8",
    "dynamic_int8": "dynamic_range",
    "weight_only_int8": "weight_only_int8",
    "float16": "float16",
    "float32": "float32",
}
"""Choices that, made for all layers, are a variant of their own."""


def made(recipe: Recipe, upsampling: str = "nearest") -> bytes:
    return quantize_mixed(small_unet.float_file(upsampling), recipe, small_unet.calibration(upsampling))


@pytest.mark.parametrize("upsampling", small_unet.UPSAMPLINGS)
@pytest.mark.parametrize("choice", UNIFORM)
def test_the_same_choice_everywhere_is_the_plain_variant_bit_for_bit(upsampling, choice):
    recipe = Recipe(default=LayerChoice(choice))
    assert made(recipe, upsampling) == small_unet.variant_file(upsampling, UNIFORM[choice])


@pytest.mark.parametrize("upsampling", small_unet.UPSAMPLINGS)
def test_any_mixture_runs_and_is_what_the_recipe_says(upsampling):
    found = layers(small_unet.float_file(upsampling))
    images, _ = small_unet.blobs(4, seed=1)
    reference = TFLiteModel(small_unet.float_file(upsampling)).predict(images)
    rng = random.Random(0)
    for _ in range(6):
        recipe = Recipe({layer.name: rng.choice(possible_choices(layer)) for layer in found})
        file = made(recipe, upsampling)
        assert made(recipe, upsampling) == file
        assert np.mean(TFLiteModel(file).predict(images) == reference) > 0.6
        wanted = [recipe.of(layer.name).what for layer in found]
        assert [(op.activations, op.weights, op.dequantized) for op in census(file).compute] == [
            (each.activations, each.weights, each.dequantized) for each in wanted
        ]


def test_layers_are_the_operators_with_weights_and_what_follows_them():
    found = layers(small_unet.float_file("nearest"))
    assert [layer.weighted.kind for layer in found] == ["CONV_2D"] * 6
    # The two levels up resize and concatenate behind the third and the fourth convolution.
    assert [len(layer.followers) for layer in found] == [0, 0, 2, 2, 0, 0]
    assert [layer.weight_count for layer in found] == [
        3 * 3 * 4 * 8,
        9 * 8 * 16,
        9 * 16 * 32,
        9 * 48 * 16,
        9 * 24 * 8,
        24,
    ]
    assert [layer.takes_input for layer in found] == [True] + 5 * [False]
    assert [layer.gives_output for layer in found] == 5 * [False] + [True]
    assert len({layer.label for layer in found}) == 6


def test_one_layer_in_float_leaves_the_rest_integer_input_and_output_included():
    found = layers(small_unet.float_file("nearest"))
    counted = census(made(Recipe({found[2].name: LayerChoice("float32")}, LayerChoice("int8"))))
    assert [op.activations for op in counted.compute] == ["int8", "int8", "float32", "int8", "int8", "int8"]
    assert (counted.inputs, counted.outputs) == (("int8",), ("int8",))
    counted = census(made(Recipe({found[0].name: LayerChoice("float32")}, LayerChoice("int8"))))
    assert (counted.inputs, counted.outputs) == (("float32",), ("int8",))


@pytest.mark.parametrize(
    ("choice", "bits"), [("weight_only_int4", 4), ("int4", 4), ("int16x4", 4), ("dynamic_int4", 4)]
)
def test_weights_of_four_bits_take_half_a_byte_each_and_lie_on_that_grid(choice, bits):
    found = layers(small_unet.float_file("nearest"))
    content = unpack(made(Recipe(default=LayerChoice(choice))))
    stored = [tensor for tensor in content.subgraphs[0].tensors if tensor.type == schema.TensorType.INT4]
    sizes = sorted(len(content.buffers[tensor.buffer].data) for tensor in stored)
    assert sizes == sorted(layer.weight_count * bits // 8 for layer in found)


@pytest.mark.parametrize("algorithm", ["octav", "mse"])
def test_another_algorithm_gives_other_weights_and_is_possible_for_integer_ones_alone(algorithm):
    plain, other = (made(Recipe(default=LayerChoice("int4", each))) for each in ("min_max", algorithm))
    assert plain != other
    assert len(plain) == len(other)
    with pytest.raises(ModelError, match="float16"):
        made(Recipe(default=LayerChoice("float16", algorithm)))


def test_a_layer_that_is_not_there_is_refused():
    with pytest.raises(ModelError, match="the recipe names no/such, which is no layer of the model; its layers are "):
        made(Recipe({"no/such": LayerChoice("int8")}))


def test_what_the_library_cannot_do_to_a_layer_is_refused_and_what_it_can_is_said():
    found = layers(small_unet.float_file("transposed"))
    transposed = next(layer for layer in found if layer.weighted.kind == "CONV_2D_TRANSPOSE")
    with pytest.raises(
        ModelError, match=r"int4 at layer .* to CONV_2D_TRANSPOSE; it can do float32, float16, weight_o"
    ):
        made(Recipe({transposed.name: LayerChoice("int4")}), "transposed")
    assert "int8" in {each.choice for each in possible_choices(transposed)}
    with pytest.raises(ModelError, match=r"int8 hadamard at layer .*it can do .*int8, int4"):
        made(Recipe({found[0].name: LayerChoice("int8", "hadamard")}), "transposed")


@pytest.mark.parametrize("variant", ["int8", "float16", "dynamic_range"])
def test_a_file_that_is_quantized_already_is_refused(variant):
    with pytest.raises(ModelError, match=r"quantized already: its tensor .* give the float32 file"):
        layers(small_unet.variant_file("nearest", variant))


def test_every_choice_is_possible_for_a_convolution():
    (first, *_) = layers(small_unet.float_file("nearest"))
    assert {each.choice for each in possible_choices(first)} == set(CHOICES)
