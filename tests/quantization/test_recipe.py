"""Recipes as files: what is read equals what was written, and what is no recipe is refused in one line."""

import json

import pytest
from small_jobs import dataset, job

from segsweep.config.schema import QuantizationConfig
from segsweep.errors import ConfigError
from segsweep.lineage.jobs import lineage
from segsweep.lineage.used_settings import used_settings
from segsweep.quantization.recipe import LayerChoice, Recipe, parse_recipe, read_recipe

RECIPE = Recipe(
    {"net/über: it/Conv2D": LayerChoice("int4", "octav"), "b;c[0].*": LayerChoice("weight_only_int8")},
    LayerChoice("int16x8"),
)


def test_what_is_read_equals_what_was_written(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.to_yaml())
    assert read_recipe(path) == RECIPE
    assert list(read_recipe(path).layers) == list(RECIPE.layers)


def test_json_is_read_as_well():
    assert parse_recipe(json.dumps(RECIPE.as_dict()), "here") == RECIPE


def test_a_layer_that_is_not_named_gets_the_default():
    assert RECIPE.of("another") == LayerChoice("int16x8")
    assert Recipe().of("another") == LayerChoice("float32")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- int8", "is no recipe"),
        ("layers: {a: [1", "is no YAML"),
        ("layers: {a: int3}", "layer a: int3 is not a choice; there are float32"),
        ("layers: {a: int4 magic}", "layer a: magic is not an algorithm; there are min_max"),
        ("default: 8", "default: 8 is not a choice"),
        ("default: int8\nlayer: {}", "layer is not known there"),
        ("default: int8\nformat: 2", "has format 2"),
        ("layers: [a]", "layers must be lines"),
    ],
)
def test_what_is_no_recipe_is_refused(text, said):
    with pytest.raises(ConfigError, match=r"^here: ") as refusal:
        parse_recipe(text, "here")
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def mixed(path) -> QuantizationConfig:
    return QuantizationConfig(name="mixed", recipe=str(path))


def test_the_content_of_the_file_is_in_the_key_and_its_path_is_not(tmp_path):
    one, two, other = (tmp_path / name for name in ("one.yaml", "two.json", "other.yaml"))
    one.write_text(RECIPE.to_yaml())
    two.write_text(json.dumps(RECIPE.as_dict()))
    other.write_text("default: int16x8")
    keys = [lineage(job(quantization=mixed(path)), dataset()).asked.key for path in (one, two, other)]
    assert keys[0] == keys[1] != keys[2]
    asked = lineage(job(quantization=mixed(one)), dataset()).asked
    assert asked.recipe == RECIPE
    assert asked.source is asked.baseline
    assert "quantization.recipe" in used_settings(asked)
    assert "quantization.recipe" not in used_settings(asked.baseline)


def test_a_recipe_without_integer_activations_needs_no_calibration(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("default: weight_only_int4")
    assert not lineage(job(quantization=mixed(path)), dataset()).asked.variant.calibrated
    path.write_text("default: weight_only_int4\nlayers: {a: int8}")
    assert lineage(job(quantization=mixed(path)), dataset()).asked.variant.calibrated


def test_a_recipe_that_is_not_there_is_refused_before_anything_is_done(tmp_path):
    with pytest.raises(ConfigError, match=r"quantization\.recipe=.*none\.yaml: cannot be read \(No such file"):
        lineage(job(quantization=mixed(tmp_path / "none.yaml")), dataset())
