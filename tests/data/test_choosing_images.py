import numpy as np
import pytest

from segsweep.data.choosing_images import CHOICES
from segsweep.data.dataset import IGNORE, ArraySplit

RANDOM = np.random.default_rng(0)


def split_of(labels, images=None):
    labels = np.broadcast_to(np.asarray(labels, np.uint8)[:, None, None], (len(labels), 4, 4)).copy()
    return ArraySplit(RANDOM.random((len(labels), 4, 4, 2)) if images is None else images, labels)


@pytest.mark.parametrize("choice", CHOICES)
def test_so_many_different_ones_after_a_seed(choice):
    split = split_of(RANDOM.integers(0, 3, 30))
    found = CHOICES[choice](split, 8, 3)
    assert len(set(found.tolist())) == 8
    assert (np.diff(found) > 0).all()
    np.testing.assert_array_equal(found, CHOICES[choice](split, 8, 3))
    assert any(not np.array_equal(found, CHOICES[choice](split, 8, seed)) for seed in range(4, 8))
    np.testing.assert_array_equal(CHOICES[choice](split, 30, 0), np.arange(30))


def test_classes_come_in_turn():
    labels = [0] * 20 + [1] * 6 + [2] * 2 + [IGNORE] * 4
    split = split_of(labels)
    for seed in range(5):
        chosen = [labels[index] for index in CHOICES["stratified"](split, 6, seed)]
        assert [chosen.count(value) for value in range(3)] == [2, 2, 2]
    everything = CHOICES["stratified"](split, 31, 0)
    assert len(everything) == 31


def test_farthest_ones_are_of_every_kind():
    centres = np.array([[0, 0], [100, 0], [0, 100], [100, 100]])
    kinds = np.arange(40) % 4
    pattern = np.array([0, 30, 0, 30])[kinds][:, None, None, None] * RANDOM.permutation(32).reshape(4, 4, 2) / 32
    images = centres[kinds][:, None, None, :] + pattern + RANDOM.random((40, 1, 1, 2))
    chosen = CHOICES["farthest"](split_of([0] * 40, images), 4, 0)
    assert sorted(chosen % 4) == [0, 1, 2, 3]
