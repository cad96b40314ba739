"""Scores of whole images against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, top_k_accuracy_score

from segsweep.data.dataset import IGNORE, ArraySplit, Normalization
from segsweep.evaluation.evaluator import evaluate
from segsweep.runs.score_metrics import score_metrics
from segsweep.tracking import names

CLASSES = 12
NAMES = [str(index) for index in range(CLASSES)]


class Memory:
    """Gives the logits that are written in the image."""

    input_shape = (4, 4, CLASSES)
    output_size = (1, 1)

    def logits(self, images):
        return images.mean(axis=(1, 2), keepdims=True)

    def predict(self, images):
        return self.logits(images).argmax(axis=-1).astype(np.uint8)


def evaluated(classes=CLASSES):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, classes, 200).astype(np.uint8)
    logits = rng.normal(size=(200, CLASSES)).astype(np.float32)
    logits[np.arange(200), truth] += 1
    logits[:, classes:] = -9
    truth[::10] = IGNORE
    images = np.broadcast_to(logits[:, None, None, :], (200, 4, 4, CLASSES)).copy()
    as_it_is = Normalization(np.zeros(CLASSES, np.float32), np.ones(CLASSES, np.float32))
    found = evaluate(Memory(), ArraySplit(images, truth[:, None, None]), as_it_is, classes, batch_size=7)
    return found, truth, logits


def test_they_are_those_of_scikit_learn():
    found, truth, logits = evaluated()
    counted = truth != IGNORE
    predicted = logits.argmax(axis=-1)
    metrics = score_metrics(found, NAMES)
    assert metrics[names.ACCURACY] == pytest.approx(accuracy_score(truth[counted], predicted[counted]))
    top5 = top_k_accuracy_score(truth[counted], logits[counted], k=5, labels=np.arange(CLASSES))
    assert metrics[names.TOP5_ACCURACY] == pytest.approx(top5)
    assert metrics[names.MACRO_F1] == pytest.approx(f1_score(truth[counted], predicted[counted], average="macro"))
    np.testing.assert_array_equal(found.counts.total, confusion_matrix(truth[counted], predicted[counted]))
    assert (len(found.counts), found.counts.classes) == (200, CLASSES)
    assert found.predictions.shape == (200, 1, 1)
    assert names.BOUNDARY_IOU not in metrics


def test_of_five_classes_there_are_no_five_best():
    found, _, _ = evaluated(5)
    assert found.top5_accuracy is None
    assert names.TOP5_ACCURACY not in score_metrics(found, NAMES[:5])
