import numpy as np
import pytest

from segsweep.config.data_schema import SyntheticParcelsConfig
from segsweep.data.dataset import IGNORE, ArraySplit, survey_of
from segsweep.data.point_labels import PointSplit
from segsweep.data.sources import load_dataset

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.choice([0, 1, 2, IGNORE], (5, 12, 10), p=[0.6, 0.3, 0.02, 0.08]).astype(np.uint8)
FULL = ArraySplit(RANDOM.random((5, 12, 10, 3)), LABELS)
ALL = np.arange(5)


def test_so_many_points_of_each_class_are_left():
    images, labels = PointSplit(FULL, 3, seed=0).read(ALL)
    np.testing.assert_array_equal(images, FULL.images)
    for thinned, full in zip(labels, LABELS, strict=True):
        for value in range(3):
            assert np.count_nonzero(thinned == value) == min(3, np.count_nonzero(full == value))
        kept = thinned != IGNORE
        np.testing.assert_array_equal(thinned[kept], full[kept])


def test_they_depend_on_seed_and_image_alone():
    split = PointSplit(FULL, 3, seed=0)
    np.testing.assert_array_equal(split.read(np.array([4, 2]))[1], split.read(ALL)[1][[4, 2]])
    other = PointSplit(FULL, 3, seed=1)
    assert not np.array_equal(other.read(ALL)[1], split.read(ALL)[1])
    assert len({split.fingerprint, other.fingerprint, PointSplit(FULL, 4, seed=0).fingerprint, FULL.fingerprint}) == 4


def test_its_survey_is_of_what_is_read():
    split = PointSplit(FULL, 3, seed=0)
    expected = [np.bincount(label.ravel(), minlength=256) for label in split.read(ALL)[1]]
    np.testing.assert_array_equal(survey_of(split).counts, expected)


def test_only_training_labels_are_thinned():
    config = SyntheticParcelsConfig(size=16, train_images=4, validation_images=2, test_images=3, points=2)
    dataset = load_dataset(config)
    full = load_dataset(SyntheticParcelsConfig(size=16, train_images=4, validation_images=2, test_images=3))
    assert np.count_nonzero(dataset.train.read(np.arange(4))[1] != IGNORE) <= 4 * 2 * 2
    assert (dataset.validation.fingerprint, dataset.test.fingerprint) == (
        full.validation.fingerprint,
        full.test.fingerprint,
    )
    np.testing.assert_array_equal(dataset.normalization.mean, full.normalization.mean)


def test_one_point_at_least():
    from segsweep.config.checks import check
    from segsweep.errors import ConfigError

    with pytest.raises(ConfigError, match=r"data\.points=0 is out of range"):
        check({"data.points": 0})
