"""Pseudo-labels of a teacher whose probabilities are written in the image."""

import numpy as np
import pytest
from small_jobs import dataset, split

from segsweep.data.dataset import IGNORE, ArraySplit, Normalization
from segsweep.data.point_labels import PointSplit
from segsweep.data.pseudo_labels import JoinedSplit, pseudo_labelled, require_apart
from segsweep.errors import DataError

AS_IT_IS = Normalization(np.zeros(3, np.float32), np.ones(3, np.float32))
RANDOM = np.random.default_rng(0)
PROBABILITIES = RANDOM.dirichlet((0.5, 0.5, 0.5), (10, 6, 5)).astype(np.float32)
CLASSES = PROBABILITIES.argmax(axis=-1)
HIGHEST = PROBABILITIES.max(axis=-1)


def teacher(images):
    return np.log(images)


def labelled(split, thresholds):
    return pseudo_labelled(split, teacher, AS_IT_IS, size=(8, 8), thresholds=thresholds)


def test_sure_pixels_without_label_get_one():
    known = RANDOM.choice([1, IGNORE], (10, 6, 5)).astype(np.uint8)
    found = labelled(ArraySplit(PROBABILITIES, known), [0.9, 0.6, 1.0])
    sure = (known == IGNORE) & (np.array([0.9, 0.6, 1.0])[CLASSES] <= HIGHEST)
    expected = np.where(known != IGNORE, known, np.where(sure, CLASSES, IGNORE))
    images, labels = found.split.read(np.array([7, 0]))
    np.testing.assert_array_equal(labels, expected[[7, 0]])
    np.testing.assert_array_equal(images, PROBABILITIES[[7, 0]])
    assert found.asked == np.count_nonzero(known == IGNORE)
    assert found.given.tolist() == [np.count_nonzero(sure & (value == CLASSES)) for value in range(3)]
    assert found.share == pytest.approx(sure.sum() / found.asked)
    assert found.accuracy is None


def test_accuracy_where_the_truth_is_known():
    truth = RANDOM.integers(0, 3, (10, 6, 5)).astype(np.uint8)
    truth[:, 0] = IGNORE
    points = PointSplit(ArraySplit(PROBABILITIES, truth), 1, seed=0)
    known = points.read(np.arange(10))[1]
    found = labelled(points, [0.7] * 3)
    judged = (known == IGNORE) & (HIGHEST >= 0.7) & (truth != IGNORE)
    assert found.judged.sum() == judged.sum()
    assert found.accuracy == pytest.approx(np.mean(CLASSES[judged] == truth[judged]))


def test_joined_splits_read_in_any_order():
    parts = [ArraySplit(PROBABILITIES[:4], CLASSES[:4]), ArraySplit(PROBABILITIES[4:], CLASSES[4:])]
    joined = JoinedSplit(tuple(parts))
    order = np.array([9, 0, 4, 3, 3])
    images, labels = joined.read(order)
    np.testing.assert_array_equal(images, PROBABILITIES[order])
    np.testing.assert_array_equal(labels, CLASSES[order])
    assert len(joined) == 10
    assert joined.image_shape == (6, 5, 3)


def test_images_that_are_scored_are_no_unlabelled_ones():
    unlabelled = ArraySplit(split(5).images, np.full((6, 16, 16), IGNORE, np.uint8))
    require_apart(unlabelled, dataset())
    for role, place in (("validation", 1), ("test", 2)):
        scored = dataset()
        images = getattr(scored, role).images
        images[1] = unlabelled.images[3]
        with pytest.raises(DataError, match=rf"1 of the {place + 1} {role} images of data=npz are there too and would"):
            require_apart(unlabelled, dataset(**{role: ArraySplit(images, getattr(scored, role).labels)}))
    unlabelled.images[:] = 0
    black = dataset()
    black.test.images[0] = 0
    require_apart(unlabelled, dataset(test=ArraySplit(black.test.images, black.test.labels)))
