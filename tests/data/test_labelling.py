"""Naming, merging and ignoring classes."""

import numpy as np
import pytest

from segsweep.data.dataset import IGNORE
from segsweep.data.labelling import labelling, merged_classes, parse_colour
from segsweep.errors import ConfigError, DataError

NAMES = ("sky", "lane", "kerb", "car")


def test_classes_that_nobody_names_stay():
    assert merged_classes(NAMES, {}, []) == (NAMES, (0, 1, 2, 3))


def test_merged_classes_take_the_place_of_the_first():
    classes, labels = merged_classes(NAMES, {"road": ["kerb", "lane"]}, [])
    assert classes == ("sky", "road", "car")
    assert labels == (0, 1, 1, 2)


def test_a_class_may_take_in_others_under_its_own_name():
    assert merged_classes(NAMES, {"sky": ["car"]}, []) == (("sky", "lane", "kerb"), (0, 1, 2, 0))


def test_ignored_classes_count_nowhere_by_old_or_new_name():
    assert merged_classes(NAMES, {}, ["sky"]) == (("lane", "kerb", "car"), (IGNORE, 0, 1, 2))
    assert merged_classes(NAMES, {"road": ["lane", "kerb"]}, ["road"]) == (("sky", "car"), (0, IGNORE, IGNORE, 1))


@pytest.mark.parametrize(
    ("merge", "ignore", "complaint"),
    [
        ({"road": ["lame"]}, [], "did you mean lane"),
        ({"road": ["lane"], "way": ["lane"]}, [], "part of road and of way"),
        ({}, ["bus"], "data.ignore: bus"),
        ({"all": list(NAMES)}, [], "1 remain"),
        ({}, ["sky", "lane", "kerb"], "1 remain"),
    ],
)
def test_what_cannot_be_meant_is_refused(merge, ignore, complaint):
    with pytest.raises(ConfigError, match=complaint):
        merged_classes(NAMES, merge, ignore)


def test_names_must_differ():
    with pytest.raises(DataError, match="2 names, 1 different"):
        merged_classes(["a", "a"], {}, [])


def test_ids_become_labels():
    known = labelling({"a": 10, "b": 300}, merge={}, ignore=[], ignore_label=255)
    values = np.array([[10, 300, 255], [11, 10, -1]])
    np.testing.assert_array_equal(known.apply(values), [[0, 1, IGNORE], [IGNORE, 0, IGNORE]])
    np.testing.assert_array_equal(np.sort(known.unknown(values)), [-1, 11])


def test_numbers_beyond_all_ids_are_unknown():
    known = labelling({"a": 0, "b": 65535}, merge={}, ignore=[], ignore_label=None)
    assert known.unknown(np.array([[0, 65536, 70000]])).tolist() == [65536, 70000]


def test_an_ignored_number_may_lie_beyond_all_ids():
    known = labelling({"a": 0, "b": 1}, merge={}, ignore=[], ignore_label=-1)
    assert not len(known.unknown(np.array([[-1, 0, 1]])))


@pytest.mark.parametrize("number", [-9999, -1, 70000])
def test_what_lies_beyond_all_ids_counts_nowhere(number):
    known = labelling({"a": 0, "b": 65535}, merge={}, ignore=[], ignore_label=number)
    np.testing.assert_array_equal(known.apply(np.array([[number, 0, 65535]])), [[IGNORE, 0, 1]])


def test_an_ignored_number_that_a_class_has_counts_nowhere():
    known = labelling({"a": 0, "b": 1, "c": 2}, merge={}, ignore=[], ignore_label=1)
    np.testing.assert_array_equal(known.apply(np.array([[0, 1, 2]])), [[0, IGNORE, 2]])


def test_colours_are_the_palette_and_the_nearest_is_named():
    stored = {"building": 0x3C1098, "land": 0x8429F6}
    known = labelling(stored, merge={}, ignore=[], ignore_label=None, coloured=True)
    assert known.palette == ((0x3C, 0x10, 0x98), (0x84, 0x29, 0xF6))
    assert "building #3C1098" in known.expected(0x3C1199)


def test_colours_within_the_tolerance_are_binarized():
    """With all corners of the cube, 127 gives what a threshold at 128 does: each level, each band."""
    corners = {f"{number}": sum(255 << 8 * bit for bit in range(3) if number >> bit & 1) for number in range(8)}
    known = labelling(corners, merge={}, ignore=[], ignore_label=None, coloured=True, tolerance=127)
    bands = np.random.default_rng(0).choice([0, 1, 127, 128, 200, 255], (60, 70, 3))
    values = bands[..., 0] | bands[..., 1] << 8 | bands[..., 2] << 16
    np.testing.assert_array_equal(known.apply(values), (bands >= 128) @ [1, 2, 4])
    assert not len(known.unknown(values))


def test_colours_beyond_the_tolerance_are_unknown_and_the_nearest_wins():
    stored = {"a": 0x000000, "b": 0x000006}
    known = labelling(stored, merge={}, ignore=[], ignore_label=None, coloured=True, tolerance=4)
    values = np.array([[0x000002, 0x000004, 0x04000A, 0x00000B, 0x050000]])
    np.testing.assert_array_equal(known.apply(values), [[0, 1, 1, IGNORE, IGNORE]])
    assert known.unknown(values).tolist() == [0x00000B, 0x050000]


@pytest.mark.parametrize("text", ["3C10", "#3C109G", "red", "#-12345"])
def test_colours_are_six_digits(text):
    with pytest.raises(ConfigError, match=r"data\.palette\.a"):
        parse_colour(text, "data.palette.a")
