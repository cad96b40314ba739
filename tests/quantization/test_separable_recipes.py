"""Separable convolutions in training for a recipe: two layers in the file, which a recipe may treat differently."""

import functools

import numpy as np
import pytest
import small_unet
import tf_keras as keras
from tf_keras import layers

from segsweep.config.model_schema import Deeplabv3Config, UnetConfig
from segsweep.models.table import build_model
from segsweep.quantization import layers as file_layers
from segsweep.quantization.activation_ranges import start_ranges
from segsweep.quantization.batch_norm_folding import SCALINGS
from segsweep.quantization.float_twin import float_twin
from segsweep.quantization.mixed import quantize_mixed
from segsweep.quantization.post_training import calibrate
from segsweep.quantization.range_rules import RangeChoice
from segsweep.quantization.recipe import LayerChoice, Recipe
from segsweep.quantization.recipe_training import aware_of, precision
from segsweep.tflite.conversion import convert_float
from segsweep.tflite.interpreter import TFLiteModel

IMAGES, LABELS = small_unet.blobs(32, seed=1)
CALIBRATION = small_unet.blobs(64, seed=0)[0]


@functools.cache
def trained() -> keras.Model:
    """Two separable convolutions, one of them dilated, with and without batch norm."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input(small_unet.SHAPE)
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.SeparableConv2D(16, 3, padding="same", use_bias=False, name="normed")(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.SeparableConv2D(16, 3, padding="same", dilation_rate=2, depth_multiplier=2, name="dilated")(x)
    model = keras.Model(inputs, layers.Conv2D(small_unet.CLASSES, 1, name="logits")(layers.ReLU()(x)), name="small")
    small_unet.fit(model, epochs=3, learning_rate=1e-2)
    return model


@functools.cache
def float_file() -> bytes:
    return convert_float(trained())


def recipe() -> Recipe:
    """Of the first, the depthwise half at 8 bits and the other at 4; of the second, activations of 16 bits and 8."""
    choices = zip(("int8", "int8", "int4", "int16x8", "int8", "int8"), file_layers.layers(float_file()), strict=True)
    found = {layer.name: (choice, layer.weighted.kind) for choice, layer in choices}
    kinds = ["CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "CONV_2D"]
    assert [kind for _, kind in found.values()] == kinds
    return Recipe({name: LayerChoice(choice) for name, (choice, _) in found.items()})


def test_each_half_has_what_the_recipe_says_of_its_layer_in_the_file() -> None:
    said = {name: choice.name for name, choice in precision(trained(), recipe()).items()}
    assert said["stem"] == said["normed_depthwise"] == said["dilated"] == said["logits"] == "int8"
    assert (said["normed"], said["dilated_depthwise"]) == ("int4", "int16x8")


def test_the_file_computes_what_was_trained() -> None:
    aware = aware_of(trained(), recipe())
    start_ranges(aware, CALIBRATION, RangeChoice("min_max", "min_max"), 99.99)
    small_unet.fit(aware, epochs=2, learning_rate=1e-3)
    expected = aware.predict(IMAGES, verbose=0)
    twin = float_twin(aware, trained())
    converted = convert_float(twin)
    # The same layers under the same names as before, for which the recipe was found.
    assert [each.name for each in file_layers.layers(converted)] == list(recipe().layers)
    file = TFLiteModel(quantize_mixed(converted, recipe(), calibrate(converted, CALIBRATION)))
    logits = file.logits(IMAGES)
    assert np.mean(logits.argmax(-1) == expected.argmax(-1)) > 0.97
    assert np.abs(logits - expected).mean() < np.ptp(expected) / 100


@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    [
        pytest.param(UnetConfig(width=4, depth=1, separable=True, residual=True), id="residual"),
        pytest.param(UnetConfig(width=4, depth=1, separable=True, batch_norm=False), id="no batch norm"),
        pytest.param(
            Deeplabv3Config(encoder="mobilenet_v2", alpha=0.35, width=4, separable=True, output_stride=8), id="dilated"
        ),
    ],
)
def test_every_layer_of_the_file_is_a_layer_in_training(config) -> None:
    """One layer at a time is said to have 4 bits, all others 8: one layer with weights has 4 in training."""
    model = build_model(config, (32, 32, 3), 2, seed=0)
    types = {layer.name: type(layer) for layer in model.layers}
    found = file_layers.layers(convert_float(model))
    named: set[str] = set()
    for layer in found:
        said = precision(model, Recipe({layer.name: LayerChoice("int4")}, LayerChoice("int8")))
        # Those without weights, and batch norms, go with the layer before them; a half of a layer has no type yet.
        with_weights = {name for name in said if types.get(name, layers.DepthwiseConv2D) in SCALINGS}
        four_bits = {name for name in with_weights if said[name].name == "int4"}
        assert len(four_bits) == 1, layer.name
        named |= four_bits
    assert len(named) == len(found)
