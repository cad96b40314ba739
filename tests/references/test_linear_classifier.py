"""The linear classifier against scikit-learn itself, and on the data that breaks it."""

import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from small_jobs import dataset

from segsweep.data.dataset import IGNORE, ArraySplit
from segsweep.data.task import CLASSIFICATION
from segsweep.references import linear_classifier
from segsweep.references.linear_classifier import (
    SAMPLE,
    LinearPredictor,
    fit_linear,
    image_features,
    linear_reference,
    pixel_features,
    training_sample,
)

RNG = np.random.default_rng(7)


def learnable(images: int, classes: int, size: int = 12, bands: int = 3, seed: int = 0) -> ArraySplit:
    """Pixels whose bands say something of their class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, (images, size, size)).astype(np.uint8)
    centres = np.random.default_rng(99).normal(size=(classes, bands)) * 2
    return ArraySplit((100 + 5 * (centres[labels] + rng.normal(size=(*labels.shape, bands)))), labels)


def of(train: ArraySplit, classes: int = 3, **changes):
    return dataset(
        train=train,
        validation=learnable(2, classes, seed=1),
        test=learnable(3, classes, seed=2),
        classes=tuple("abcdefgh"[:classes]),
        **changes,
    )


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_predicts_what_scikit_learn_does_with_all_pixels(classes):
    data = of(learnable(6, classes), classes)
    classifier = fit_linear(*training_sample(data), classes)
    pixels, labels = data.normalization.apply(data.train.images), data.train.labels
    expected = LinearDiscriminantAnalysis().fit(pixels.reshape(-1, 3), labels.reshape(-1))
    test = data.normalization.apply(data.test.images)
    predictor = LinearPredictor(classifier, linear_reference(data), data.test.image_shape)
    found = predictor.predict(test)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected.predict(test.reshape(-1, 3)).reshape(found.shape))
    np.testing.assert_array_equal(found, predictor.logits(test).argmax(axis=-1))
    assert np.mean(found == data.test.labels) > 1.5 / classes


def test_pixels_without_a_class_teach_nothing():
    train = learnable(6, 2)
    images, labels = train.images.copy(), train.labels.copy()
    images[:, :4] = 1e6
    labels[:, :4] = IGNORE
    data = replace(of(ArraySplit(images, labels), 2), normalization=of(train, 2).normalization)
    features, taught = training_sample(data)
    assert IGNORE not in taught
    assert len(features) == 6 * 8 * 12
    assert features.max() < 100


def test_values_that_are_not_finite_count_as_the_mean():
    images = RNG.normal(size=(2, 3, 3, 2)).astype(np.float32)
    holes = images.copy()
    holes[0, 1, 1, 0], holes[1, 0, 0, 1], holes[1, 2, 2] = np.nan, np.inf, -np.inf
    images[0, 1, 1, 0] = images[1, 0, 0, 1] = images[1, 2, 2] = 0
    np.testing.assert_array_equal(pixel_features(holes), images.reshape(-1, 2))
    np.testing.assert_allclose(image_features(holes)[:, 2:], images.reshape(2, 9, 2).std(axis=1), rtol=1e-6)


def test_whole_images_are_told_by_the_mean_and_deviation_of_their_bands():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 40).astype(np.uint8)
    # The same mean for both: only the deviation tells.
    images = rng.normal(size=(40, 6, 6, 2)) * (1 + 2 * labels[:, None, None, None])
    split = ArraySplit(images, labels[:, None, None])
    data = dataset(train=split, validation=split, test=split, task=CLASSIFICATION)
    features, taught = training_sample(data)
    normalized = data.normalization.apply(images).reshape(40, -1, 2)
    np.testing.assert_allclose(features, np.concatenate([normalized.mean(1), normalized.std(1)], 1), rtol=1e-5)
    np.testing.assert_array_equal(taught, labels)
    predictor = LinearPredictor(fit_linear(features, taught, 2), linear_reference(data), (6, 6, 2))
    found = predictor.predict(data.normalization.apply(images))
    assert found.shape == (40, 1, 1)
    expected = LinearDiscriminantAnalysis().fit(features, labels).predict(features)
    np.testing.assert_array_equal(found.reshape(-1), expected)
    assert np.mean(expected == labels) > 0.9


def test_a_class_without_a_sample_is_never_predicted():
    train = learnable(6, 4)
    labels = np.where(train.labels == 2, 1, train.labels)
    classifier = fit_linear(*training_sample(of(ArraySplit(train.images, labels), 4)), 4)
    found = classifier.predict(RNG.normal(size=(1000, 3)).astype(np.float32) * 5)
    assert set(found) == {0, 1, 3}


@pytest.mark.parametrize(
    ("features", "labels", "expected"),
    [
        pytest.param(RNG.normal(size=(30, 3)), np.full(30, 2), np.full(30, 2), id="one class"),
        pytest.param(np.ones((30, 3)), np.repeat([0, 2], [10, 20]), np.full(30, 2), id="nothing varies"),
        pytest.param(np.eye(3)[np.repeat([0, 1, 2], 10)], np.repeat([0, 1, 2], 10), np.repeat([0, 1, 2], 10),
                     id="nothing varies within a class"),
        pytest.param(RNG.normal(size=(3, 3)), np.arange(3), np.arange(3), id="as many classes as samples"),
        pytest.param(np.repeat(np.arange(30.0)[:, None], 3, 1), np.repeat([0, 1], 15), np.repeat([0, 1], 15),
                     id="equal bands"),
        pytest.param(np.c_[np.arange(30.0), np.ones(30), np.ones(30)], np.repeat([0, 1], 15), np.repeat([0, 1], 15),
                     id="constant bands"),
        pytest.param(np.ones((1, 3)), np.array([1]), np.array([1]), id="one sample"),
    ],
)  # fmt: skip
def test_data_that_has_no_discriminant(features, labels, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier = fit_linear(features.astype(np.float32), labels.astype(np.uint8), 3)
        found = classifier.predict(features.astype(np.float32))
    np.testing.assert_array_equal(found, expected)


def test_a_hundred_classes(capfd):
    labels = np.arange(100).repeat(3).astype(np.uint8)
    features = np.c_[labels // 10, labels % 10, RNG.normal(size=300) / 10].astype(np.float32)
    found = fit_linear(features + RNG.normal(size=(300, 3)) / 20, labels, 100).predict(features)
    assert np.mean(found == labels) > 0.95
    assert capfd.readouterr() == ("", "")


class Watched(ArraySplit):
    """Keeps which images are read."""

    def read(self, indices):
        self.__dict__.setdefault("seen", []).extend(indices)
        return super().read(indices)


def test_the_sample_is_bounded_and_always_the_same():
    small = learnable(400, 2, size=24)
    data = of(Watched(small.images, small.labels), 2)
    features, labels = training_sample(data)
    assert len(set(data.train.seen)) == SAMPLE["images"] == 256
    assert SAMPLE["pixels"] <= len(features) == len(labels) <= SAMPLE["pixels"] + SAMPLE["images"]
    again = training_sample(of(small, 2))
    np.testing.assert_array_equal(again[0], features)
    np.testing.assert_array_equal(again[1], labels)
    assert set(labels) == {0, 1}


def test_many_bands_take_fewer_pixels(monkeypatch):
    monkeypatch.setattr(linear_classifier, "SAMPLE", {**SAMPLE, "values": 90})
    features, _ = training_sample(of(learnable(6, 2)))
    assert features.shape == (30, 3)


def test_images_without_any_label_are_not_drawn():
    small = learnable(400, 2)
    labels = np.full_like(small.labels, IGNORE)
    labels[390, 0, :2] = (0, 1)
    features, taught = training_sample(of(ArraySplit(small.images, labels), 2))
    assert features.shape == (2, 3)
    assert sorted(taught) == [0, 1]


def test_large_images_are_predicted_part_by_part(monkeypatch):
    data = of(learnable(6, 3))
    classifier = fit_linear(*training_sample(data), 3)
    features = pixel_features(data.normalization.apply(data.test.images))
    whole = classifier.predict(features)
    monkeypatch.setattr(linear_classifier, "_VALUES_AT_ONCE", 7)
    np.testing.assert_array_equal(classifier.predict(features), whole)


def test_scikit_learn_is_imported_where_a_classifier_is_fitted_and_nowhere_else():
    modules = (
        "segsweep.references.runs, segsweep.references.of_sweep, segsweep.report.references, segsweep.predict.worker"
    )
    code = f"import sys, {modules}; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
