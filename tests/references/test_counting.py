import numpy as np
import pytest
from sklearn.metrics import confusion_matrix
from small_jobs import dataset, split

from segsweep.data.dataset import IGNORE, ArraySplit
from segsweep.data.task import CLASSIFICATION
from segsweep.evaluation.image_counts import ImageCounts
from segsweep.references.counting import always, commonest_class, count_references
from segsweep.references.linear_classifier import fit_linear, pixel_features, training_sample


def labelled(labels) -> ArraySplit:
    labels = np.array(labels, np.uint8)
    return ArraySplit(np.random.default_rng(0).random((*labels.shape, 2), np.float32), labels)


def test_the_commonest_class_is_that_of_most_training_pixels_that_count():
    train = labelled([[[0, 1], [1, IGNORE]], [[IGNORE, IGNORE], [IGNORE, 0]], [[2, 2], [2, 0]]])
    assert commonest_class(dataset(train=train, classes=("a", "b", "c"))) == 0  # 3 of 0 and of 2, 2 of 1
    train = labelled([[[0, 1], [1, 1]]])
    assert commonest_class(dataset(train=train, test=labelled([[[0, 0], [0, 0]]]))) == 1


def test_always_one_class_by_hand():
    counts = ImageCounts.of(np.array([[[3, 1], [2, 4]], [[0, 0], [0, 5]], [[0, 0], [0, 0]]]))
    expected = [[[0, 4], [0, 6]], [[0, 0], [0, 5]], [[0, 0], [0, 0]]]
    np.testing.assert_array_equal(always(1, counts).dense(), expected)


@pytest.mark.parametrize("role", ["test", "validation"])
def test_counts_are_those_of_scikit_learn(role):
    test = split(2, 3)
    test.labels[:, 2:5] = IGNORE
    data = dataset(test=test)
    found = count_references(data)
    assert found.keys() == {"commonest_class", "linear_pixels"}
    part = getattr(data, role)
    features = pixel_features(data.normalization.apply(part.images))
    predicted = fit_linear(*training_sample(data), 2).predict(features).reshape(part.labels.shape)
    for index, truth in enumerate(part.labels):
        counted = truth != IGNORE
        for name, pixels in (
            ("linear_pixels", predicted[index]),
            ("commonest_class", np.full(truth.shape, commonest_class(data))),
        ):
            expected = confusion_matrix(truth[counted], pixels[counted], labels=[0, 1])
            np.testing.assert_array_equal(getattr(found[name], role).dense()[index], expected)


def test_whole_images_have_a_reference_of_their_own():
    labels = np.array([0, 1, 1, 0, 1, 1], np.uint8)[:, None, None]
    data = dataset(
        train=ArraySplit(split(0).images, labels),
        validation=ArraySplit(split(1).images, labels),
        test=ArraySplit(split(2).images, labels),
        task=CLASSIFICATION,
    )
    found = count_references(data)
    assert found.keys() == {"commonest_class", "linear_images"}
    np.testing.assert_array_equal(found["commonest_class"].test.total, [[0, 2], [0, 4]])
    assert found["linear_images"].test.total.sum() == 6
