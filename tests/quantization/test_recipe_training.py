"""Training for a recipe: what is rounded while it trains, and that the file computes the same."""

import functools

import numpy as np
import pytest
import small_unet
import tf_keras as keras
from small_jobs import dataset, job
from tf_keras import layers

from segsweep.config.schema import QuantizationConfig
from segsweep.errors import ConfigError, ModelError
from segsweep.lineage.jobs import lineage
from segsweep.lineage.used_settings import used_settings
from segsweep.quantization import layers as file_layers
from segsweep.quantization.activation_ranges import quantizers
from segsweep.quantization.float_twin import float_twin
from segsweep.quantization.mixed import quantize_mixed
from segsweep.quantization.post_training import calibrate
from segsweep.quantization.recipe import LayerChoice, Recipe
from segsweep.quantization.recipe_training import aware_of, precision
from segsweep.tflite.conversion import convert_float
from segsweep.tflite.interpreter import TFLiteModel

IMAGES, LABELS = small_unet.blobs(32, seed=1)
INT4 = Recipe(default=LayerChoice("int4"))


@functools.cache
def names() -> list[str]:
    return [layer.name for layer in file_layers.layers(small_unet.float_file("nearest"))]


def head() -> list[str]:
    """Names of the first convolution, its batch norm and its ReLU: Keras numbers them on from those of other tests."""
    return [layer.name for layer in small_unet.trained("nearest").layers[1:4]]


def file_of(model: keras.Model, recipe: Recipe) -> bytes:
    float_file = convert_float(model)
    return quantize_mixed(float_file, recipe, calibrate(float_file, small_unet.blobs(64, seed=0)[0]))


def recipes() -> dict[str, Recipe]:
    first, *_, last = names()
    some = {first: LayerChoice("int16x8"), last: LayerChoice("float32")}
    return {
        "4 bits": INT4,
        "some otherwise": Recipe(some, LayerChoice("int4")),
        "float activations": Recipe({first: LayerChoice("float16")}, LayerChoice("weight_only_int4")),
    }


@pytest.mark.parametrize("name", ["4 bits", "some otherwise", "float activations"])
def test_the_file_computes_what_was_trained(name: str) -> None:
    recipe = recipes()[name]
    aware = small_unet.started(aware_of(small_unet.trained("nearest"), recipe))
    small_unet.fit(aware, epochs=2, learning_rate=1e-3)
    expected = aware.predict(IMAGES, verbose=0)
    file = TFLiteModel(file_of(float_twin(aware, small_unet.trained("nearest")), recipe))
    logits = file.logits(IMAGES)
    assert np.mean(logits.argmax(-1) == expected.argmax(-1)) > 0.99
    assert np.abs(logits - expected).mean() < np.ptp(expected) / 255


def test_four_bits_lose_less_when_trained_for() -> None:
    model = small_unet.trained("nearest")
    aware = small_unet.started(aware_of(model, INT4))
    small_unet.fit(aware, epochs=2, learning_rate=1e-3)
    trained, plain, exact = (
        np.mean(TFLiteModel(file_of(each, recipe)).predict(IMAGES) == LABELS)
        for each, recipe in ((float_twin(aware, model), INT4), (model, INT4), (model, Recipe()))
    )
    assert plain < exact - 0.005, "so that there is something to win"
    assert trained > plain + 0.005


def test_weights_of_four_bits_have_fifteen_steps_in_training() -> None:
    aware = aware_of(small_unet.trained("nearest"), INT4)
    wrapper = next(each for each in aware.layers if each.name == f"quant_{head()[0]}")
    kernel = next(each for each in wrapper.weights if "kernel" in each.name).numpy()
    wrapper(IMAGES[:1], training=False)
    rounded = wrapper.layer.kernel.numpy()
    scale = np.abs(kernel).max(axis=(0, 1, 2)) / 7
    np.testing.assert_allclose(rounded, np.round(kernel / scale) * scale, rtol=1e-5, atol=1e-7)


def test_the_twin_has_the_weights_that_were_learned() -> None:
    model = small_unet.trained("nearest")
    aware = small_unet.started(aware_of(model, INT4))
    small_unet.fit(aware, epochs=1, learning_rate=1e-2)
    twin = float_twin(aware, keras.models.clone_model(model))
    assert [layer.name for layer in twin.layers] == [layer.name for layer in model.layers]
    unrounded = aware_of(model, Recipe())
    unrounded.set_weights(
        [each.numpy() for each in aware.weights if "output_" not in each.name and "quantize_input" not in each.name]
    )
    np.testing.assert_allclose(twin.predict(IMAGES, verbose=0), unrounded.predict(IMAGES, verbose=0), atol=1e-3)
    assert np.abs(twin.predict(IMAGES, verbose=0) - model.predict(IMAGES, verbose=0)).max() > 0.1


def test_layers_without_weights_are_as_the_one_before() -> None:
    first = names()[0]
    found = precision(small_unet.trained("nearest"), Recipe({first: LayerChoice("int16x8")}, LayerChoice("int4")))
    assert {name for name, choice in found.items() if choice.name == "int16x8"} == set(head())
    aware = aware_of(small_unet.trained("nearest"), Recipe({first: LayerChoice("int16x8")}, LayerChoice("int4")))
    # Neither the input, which that layer takes, nor what it makes has 8 bits.
    assert "" not in {each.layer for each in quantizers(aware)}
    ranges = [weight.name for weight in aware.weights if "output_max" in weight.name]
    assert f"quant_{head()[-1]}/output_max:0" not in ranges
    assert len(ranges) == 7


def test_a_name_of_no_layer_is_refused_before_anything_is_trained() -> None:
    recipe = Recipe({"model/none/Conv2D": LayerChoice("int8")}, LayerChoice("int4"))
    with pytest.raises(ModelError, match=rf"names model/none/Conv2D, which is no layer .* {head()[0]}, conv2d"):
        aware_of(small_unet.trained("nearest"), recipe)


@pytest.fixture
def recipe_file(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(INT4.to_yaml())
    return path


def spec(path, **settings):
    return lineage(job(quantization=QuantizationConfig(name="qat_mixed", recipe=str(path), **settings)), dataset())


def test_its_control_is_the_same_recipe_of_a_float_fine_tune(recipe_file) -> None:
    found = spec(recipe_file)
    assert [(each.training.kind, each.variant.name) for each in found.variants] == [
        ("float", "float32"), ("qat_mixed", "qat_mixed"), ("finetune", "float32"), ("finetune", "mixed")
    ]  # fmt: skip
    assert found.asked.recipe == found.asked.training.recipe == found.variants[-1].recipe == INT4
    assert "quantization.recipe" in used_settings(found.asked)


def test_what_the_recipe_says_is_in_the_key_of_the_training_and_where_it_lies_is_not(recipe_file) -> None:
    before = spec(recipe_file)
    moved = recipe_file.rename(recipe_file.with_name("moved.yaml"))
    assert spec(moved).asked.training.key == before.asked.training.key
    moved.write_text(Recipe(default=LayerChoice("int8")).to_yaml())
    assert spec(moved).asked.training.key != before.asked.training.key
    with pytest.raises(ConfigError, match="cannot be read"):
        spec(recipe_file)


def test_a_recipe_of_the_float_file_fits_the_file_after_training() -> None:
    """A depthwise convolution is called by its batch norm in a file, unless that was folded before the conversion."""
    inputs = keras.Input(small_unet.SHAPE)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="deep")(inputs)
    x = layers.ReLU()(layers.BatchNormalization(name="norm")(x))
    model = keras.Model(inputs, layers.Conv2D(3, 1, name="head")(x))
    found = file_layers.layers(convert_float(model))
    assert "norm" in found[0].name
    recipe = Recipe({found[0].name: LayerChoice("int8")}, LayerChoice("int4"))
    aware = small_unet.started(aware_of(model, recipe))
    file_of(float_twin(aware, model), recipe)
