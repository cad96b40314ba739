"""Corrections by name and as validation images say."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from built_files import images, small_network

from segsweep.data.dataset import IGNORE
from segsweep.quantization.corrections import correcting
from segsweep.quantization.corrections.correcting import Correction, corrected, plain, select_correction
from segsweep.quantization.corrections.float_graph import FloatGraph
from segsweep.quantization.corrections.settings import NAMES
from segsweep.quantization.corrections.weight_rounding import Rounding
from segsweep.quantization.mixed import quantize_mixed
from segsweep.quantization.post_training import calibrate, quantize
from segsweep.quantization.range_selection import SelectionImages
from segsweep.quantization.recipe import LayerChoice, Recipe
from segsweep.quantization.variants import VARIANTS
from segsweep.tflite.census import census
from segsweep.tflite.interpreter import TFLiteModel

PICTURES = images(16)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Few steps of weight rounding."""
    monkeypatch.setattr(correcting, "Rounding", lambda **settings: Rounding(steps=60, rows=512, **settings))


def correction(bits: int = 8) -> Correction:
    file = small_network()
    graph = FloatGraph(file)
    convolutions = [graph.tensor_name(each.weights) for each in graph.weighted if each.kind == "CONV_2D"]
    recipe = Recipe({name: LayerChoice("int4", "octav") for name in convolutions}, LayerChoice("int8"))
    if bits == 8:
        made = plainly = lambda model, ranges: quantize(model, VARIANTS["int8"], ranges)
    else:
        made = lambda model, ranges: quantize_mixed(model, recipe, ranges)  # noqa: E731
        plainly = lambda model, ranges: quantize_mixed(model, recipe.plain, ranges)  # noqa: E731
    return Correction(
        file, calibrate(file, PICTURES), PICTURES, lambda model: calibrate(model, PICTURES), made, plainly
    )


def judged(count: int = 12) -> SelectionImages:
    """Images whose truth is, but for some pixels, what the float file says."""
    pictures = images(count, seed=7)
    reference = TFLiteModel(small_network()).predict(pictures)
    rng = np.random.default_rng(0)
    labels = np.where(rng.random(reference.shape) < 0.1, 1 - reference, reference).astype(np.uint8)
    return SelectionImages(pictures, labels, reference, 2, np.arange(count), "accuracy")


def test_named_corrections_are_applied_in_one_order_and_repeat_to_the_byte():
    one, other = (corrected(correction(bits=4), names) for names in (["bias", "round", "equalize"], NAMES))
    assert one.names == other.names == ("equalize", "round", "bias")
    assert one.content == other.content
    by_hand = plain(correction(bits=4))
    for name in ("equalize", "round", "bias"):
        by_hand = corrected(correction(bits=4), [name], by_hand)
    assert by_hand.content == one.content


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("names", [(), ("equalize",), ("bias",), ("round",), NAMES])
def test_the_file_stays_a_plain_integer_file_made_by_the_ordinary_quantizer(bits, names):
    given = correction(bits)
    file, before = corrected(given, names), plain(given)
    assert census(file.content).compute == census(before.content).compute
    assert census(file.content).constants.keys() == census(before.content).constants.keys()
    assert file.content == file.quantize(file.float_model, file.calibration)
    assert (file.content != before.content) == bool(names)


def test_the_seed_is_that_of_the_rounding():
    given = correction(bits=4)
    assert corrected(given, ["round"]).content != corrected(replace(given, seed=1), ["round"]).content
    assert corrected(given, ["bias"]).content == corrected(replace(given, seed=1), ["bias"]).content


@pytest.mark.parametrize("labelled", [True, False])
def test_auto_takes_what_agrees_most_with_float(labelled, monkeypatch):
    monkeypatch.setattr(correcting, "LOW_AGREEMENT", 1.01)
    images_ = judged()
    if not labelled:
        images_ = replace(images_, labels=np.full_like(images_.labels, IGNORE))
    found = select_correction(correction(bits=4), images_, NAMES)
    rows = list(csv.DictReader(io.StringIO(found.table().decode())))
    assert (rows[0]["stage"], rows[0]["correction"]) == ("1", "none")
    rows = rows[1:]
    assert [(row["stage"], row["correction"]) for row in rows[:2]] == [("2", "none"), ("2", "equalize")]
    first = "equalize " if rows[1]["taken"] == "true" else ""
    assert [row["correction"] for row in rows[2:4]] == [first.strip() or "none", f"{first}bias"]
    assert [row["correction"] for row in rows[5:]] == [f"{first}round", f"{first}round bias"]
    last = [row for row in rows if row["stage"] == "4"]
    taken = [row for row in last if row["taken"] == "true"]
    assert [row["correction"] for row in taken] == [" ".join(found.file.names) or "none"]
    if not labelled:
        assert float(taken[0]["agreement"]) == max(float(row["agreement"]) for row in last)
    assert select_correction(correction(bits=4), images_, NAMES).file.content == found.file.content


def test_nothing_is_tried_where_the_file_is_as_float(monkeypatch):
    monkeypatch.setattr(correcting, "LOW_AGREEMENT", 0.0)
    truth = judged()
    # With labels turned upside down float32 is no better than chance, so the file cannot be below it beyond noise.
    given = correction()
    found = select_correction(given, replace(truth, labels=truth.reference[:, ::-1]), NAMES)
    assert [len(selection.trials) for selection in found.selections] == [1]
    assert (found.file.names, found.file.content) == ((), plain(given).content)


def test_weights_of_a_large_network_are_not_rounded(monkeypatch):
    called = []
    monkeypatch.setattr(correcting, "round_weights", lambda *_: called.append(1))
    truth = judged()
    monkeypatch.setattr(correcting, "LOW_AGREEMENT", 1.01)
    monkeypatch.setattr(correcting, "MOST_WEIGHTS", 10)
    select_correction(correction(), truth, NAMES)
    assert not called


def test_only_what_is_possible_is_tried(monkeypatch):
    monkeypatch.setattr(correcting, "LOW_AGREEMENT", 1.01)
    found = select_correction(correction(), judged(), ["bias"])
    assert [trial.candidate.labels for selection in found.selections for trial in selection.trials] == [
        ("none",), ("none",), ("bias",)
    ]  # fmt: skip
