"""`auto` on a small trained network, with a few values far out among the calibration images."""

from dataclasses import replace

import numpy as np
import pytest
import small_unet

from segsweep.data.dataset import IGNORE, ArraySplit, Dataset, Normalization, SourceImages
from segsweep.quantization import selection_images as selection_images_module
from segsweep.quantization.automatic_ranges import (
    CANDIDATES,
    calibrate_by,
    select_ranges,
    select_recipe_ranges,
)
from segsweep.quantization.layers import layers
from segsweep.quantization.mixed import quantize_mixed
from segsweep.quantization.post_training import RECIPES, Quantization, calibrate, quantize
from segsweep.quantization.range_rules import RangeChoice
from segsweep.quantization.recipe import LayerChoice, Recipe
from segsweep.quantization.selection_images import selection_images
from segsweep.quantization.used_ranges import used_range
from segsweep.quantization.variants import VARIANTS
from segsweep.tflite.census import census
from segsweep.tflite.interpreter import TFLiteModel

IDENTITY = Normalization(np.zeros(4, np.float32), np.ones(4, np.float32))
PERCENTILE = 99.9


@pytest.fixture(scope="module")
def file():
    return small_unet.float_file("nearest")


def dataset(order=None, labels=None, count: int = 12) -> Dataset:
    images, truth = small_unet.blobs(count, seed=7)
    truth = truth if labels is None else labels
    order = np.arange(count) if order is None else order
    groups = SourceImages(np.arange(count), groups=order // 2)
    split = ArraySplit(images[order], truth[order], groups)
    return Dataset("blobs", ("x", "y", "z"), ((0, 0, 0),) * 3, tuple("abcd"), (0, 1, 2), split, split, split, IDENTITY)


@pytest.fixture(scope="module")
def outliers():
    images = small_unet.blobs(16, seed=0)[0].copy()
    images[5, 0, 0] = 900.0
    return images


def found_by(file, images, data):
    judged = selection_images(file, data, IDENTITY, images)
    return select_ranges(file, images, PERCENTILE, Quantization(file, RECIPES["int8"]).file, judged)


def test_values_far_out_are_clipped_and_the_score_comes_back(file, outliers):
    found = found_by(file, outliers, dataset())
    assert "min_max" not in (found.choice.input, found.choice.activations)
    plain = found.selection.trials[0]
    assert found.selection.taken.score > plain.score + 0.05
    assert found.selection.taken.agreement > plain.agreement
    rows = found.table().decode().splitlines()
    assert rows[0].startswith("input,activations,validation_mean_iou,against_best,low,high,agreement,taken")
    assert [row.split(",")[-2] for row in rows[1:]].count("true") == 1
    assert len(rows) == 1 + len(CANDIDATES)


@pytest.mark.parametrize("choice", CANDIDATES, ids=str)
def test_what_is_taken_is_what_the_name_makes(file, outliers, choice, monkeypatch):
    monkeypatch.setattr("segsweep.quantization.automatic_ranges.CANDIDATES", (choice,))
    found = found_by(file, outliers, dataset())
    named = calibrate_by(file, outliers, choice, PERCENTILE)
    assert found.calibration.ranges == named.ranges
    assert found.selection.taken.content == quantize(file, VARIANTS["int8"], named)


def test_the_order_of_images_changes_nothing(file, outliers, monkeypatch):
    monkeypatch.setattr(selection_images_module, "MOST_IMAGES", 9)
    first = found_by(file, outliers, dataset())
    rng = np.random.default_rng(0)
    for _ in range(2):
        again = found_by(file, outliers[rng.permutation(16)], dataset(rng.permutation(12)))
        assert again.calibration == first.calibration
        assert again.table() == first.table()


def test_without_labels_the_calibration_images_decide(file, outliers):
    data = dataset(labels=np.full((12, 32, 32), IGNORE, np.uint8))
    judged = selection_images(file, data, IDENTITY, outliers)
    np.testing.assert_array_equal(judged.images, outliers)
    np.testing.assert_array_equal(judged.reference, TFLiteModel(file).predict(outliers))
    found = found_by(file, outliers, data)
    assert found.selection.taken.agreement == max(trial.agreement for trial in found.selection.trials)
    assert ",,,," in found.table().decode()


def test_only_some_validation_images_are_judged_with_their_groups(file, outliers, monkeypatch):
    monkeypatch.setattr(selection_images_module, "MOST_IMAGES", 7)
    judged = selection_images(file, dataset(), IDENTITY, outliers)
    assert len(judged.images) == 7
    images, labels = small_unet.blobs(12, seed=7)
    places = [int(np.flatnonzero((images == each).all(axis=(1, 2, 3)))[0]) for each in judged.images]
    assert len(set(places)) == 7
    np.testing.assert_array_equal(judged.labels, labels[places])
    same = judged.groups[:, None] == judged.groups
    np.testing.assert_array_equal(same, np.array(places)[:, None] // 2 == np.array(places) // 2)


def test_activations_of_16_bits_keep_their_extremes_in_a_recipe(file, outliers):
    judged = selection_images(file, dataset(), IDENTITY, outliers)
    found = select_recipe_ranges(file, outliers, PERCENTILE, judged)
    plain = calibrate(file, outliers)
    assert found.calibration.of_bits(16) == plain.ranges
    assert found.calibration.of_bits(8) == calibrate_by(file, outliers, found.choice, PERCENTILE).ranges
    every = layers(file)
    wide = Recipe(default=LayerChoice("int16x8"))
    assert quantize_mixed(file, wide, found.calibration) == quantize_mixed(file, wide, plain)
    # The first layer alone: what it makes goes on in 8 bits, what it takes does not.
    first = Recipe({every[0].name: LayerChoice("int16x8")}, LayerChoice("int8"))
    content = quantize_mixed(file, first, found.calibration)
    assert census(content).inputs == ("int16",)
    scale = TFLiteModel(content, delegates=False).input_port.scale
    reach = max(map(abs, plain.ranges[every[0].inputs[0]]))
    assert scale == pytest.approx(reach / 32767, rel=1e-3)


def test_recipes_of_8_bits_are_what_the_choice_of_int8_makes(file, outliers):
    judged = selection_images(file, dataset(), IDENTITY, outliers)
    found = select_recipe_ranges(file, outliers, PERCENTILE, judged)
    named = calibrate_by(file, outliers, found.choice, PERCENTILE)
    recipe = Recipe(default=LayerChoice("int8"))
    assert quantize_mixed(file, recipe, found.calibration) == quantize_mixed(file, recipe, named)
    assert found.selection.taken.content == quantize_mixed(file, recipe, named)


def test_only_8_bit_activations_are_tried():
    assert used_range("auto", VARIANTS["int8"], None) == "auto"
    assert used_range("auto", VARIANTS["int16x8"], None) == "min_max"
    assert used_range("mse", VARIANTS["int16x8"], None) == "mse"
    assert RangeChoice.of("min_max") == CANDIDATES[0]
    assert replace(CANDIDATES[0], input="average") != CANDIDATES[0]
