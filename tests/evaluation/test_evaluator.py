"""The loop that scores, by hand and against NumPy."""

import io

import numpy as np
import pytest

from segsweep.data.dataset import IGNORE, ArraySplit, Normalization
from segsweep.evaluation.evaluator import evaluate
from segsweep.evaluation.stored_predictions import StoredPredictions, stored

AS_IT_IS = Normalization(np.zeros(1, np.float32), np.ones(1, np.float32))


class Echo:
    """Predicts the numbers of the image's only band."""

    input_shape = (6, 8, 1)
    output_size = (6, 8)

    def predict(self, images: np.ndarray) -> np.ndarray:
        return images[..., 0].astype(np.uint8)


def evaluated(predictions: np.ndarray, labels: np.ndarray, baseline: np.ndarray | None, batch_size: int = 2):
    split = ArraySplit(predictions[..., None], labels)
    compared = None if baseline is None else StoredPredictions(stored(baseline))
    return evaluate(Echo(), split, AS_IT_IS, 3, batch_size=batch_size, baseline=compared)


def test_agreement_by_hand():
    predictions = np.array([[[0, 1], [2, 0]], [[1, 1], [1, 1]]], np.uint8)
    baseline = np.array([[[0, 2], [2, 1]], [[1, 0], [1, 1]]], np.uint8)
    labels = np.array([[[2, 2], [IGNORE, 0]], [[0, IGNORE], [1, 1]]], np.uint8)
    # Six pixels count; of them the second and the fourth of the first image differ.
    assert evaluated(predictions, labels, baseline).agreement == pytest.approx(4 / 6)
    assert evaluated(predictions, labels, None).agreement == 1
    assert np.isnan(evaluated(predictions, np.full_like(labels, IGNORE), baseline).agreement)


@pytest.mark.parametrize("batch_size", [1, 3, 50])
def test_agreement_is_that_of_the_whole_split_at_once(batch_size):
    random = np.random.default_rng(0)
    predictions, baseline, labels = random.integers(0, 3, (3, 7, 5, 6), dtype=np.uint8)
    labels[random.random(labels.shape) < 0.3] = IGNORE
    found = evaluated(predictions, labels, baseline, batch_size)
    assert found.agreement == (predictions == baseline)[labels != IGNORE].mean()
    np.testing.assert_array_equal(found.predictions, predictions)


def test_stored_predictions_are_a_numpy_archive():
    predictions = np.random.default_rng(0).integers(0, 3, (7, 5, 6), dtype=np.uint8)
    with np.load(io.BytesIO(stored(predictions)), allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["classes"], predictions)
    read = StoredPredictions(stored(predictions))
    np.testing.assert_array_equal(np.concatenate([read.next(3), read.next(3), read.next(3)]), predictions)
