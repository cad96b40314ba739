"""Dice, Jaccard, Tversky and Lovász: against published code, and scikit-learn where predictions are certain."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import f1_score, fbeta_score, jaccard_score

from segsweep.config.loss_schema import DiceLossConfig, JaccardLossConfig, LovaszLossConfig, TverskyLossConfig
from segsweep.config.schema import LossConfig
from segsweep.data.dataset import IGNORE
from segsweep.training.losses import build_loss

CLASSES = 4
RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(0, 2, (2, 6, 5, CLASSES)).astype(np.float32)
LABELS = RANDOM.choice([0, 0, 0, 1, 2, IGNORE], (2, 6, 5)).astype(np.uint8)
"""Class 3 is not in the truth."""
COUNTED = LABELS != IGNORE
TRUTH = LABELS[COUNTED]
PROBABILITIES = softmax(LOGITS[COUNTED].astype(np.float64), axis=-1)
NEXT_TO_NOTHING = 1e-9
PRESENT = [0, 1, 2]


def found(config: LossConfig, logits: np.ndarray = LOGITS, labels: np.ndarray = LABELS) -> float:
    return float(build_loss(config, classes=logits.shape[-1])(logits, labels))


def published_f_score(label: int, beta: float, smooth: float) -> float:
    """What f_score of segmentation_models/base/functional.py in qubvel/segmentation_models computes for a class."""
    gt, pr = label == TRUTH, PROBABILITIES[:, label]
    tp = (gt * pr).sum()
    fp, fn = pr.sum() - tp, gt.sum() - tp
    return ((1 + beta**2) * tp + smooth) / ((1 + beta**2) * tp + beta**2 * fn + fp + smooth)


def published_iou_score(label: int, smooth: float) -> float:
    """What iou_score of the same file computes."""
    gt, pr = label == TRUTH, PROBABILITIES[:, label]
    intersection = (gt * pr).sum()
    return (intersection + smooth) / (gt.sum() + pr.sum() - intersection + smooth)


def published_tversky_score(label: int, alpha: float, beta: float, smooth: float) -> float:
    """What soft_tversky_score of segmentation_models_pytorch/losses/_functional.py computes, without its eps."""
    output, target = PROBABILITIES[:, label], label == TRUTH
    intersection = (output * target).sum()
    fp = (output * ~target).sum()
    fn = ((1 - output) * target).sum()
    return (intersection + smooth) / (intersection + alpha * fp + beta * fn + smooth)


def lovasz_extension(truth: np.ndarray, errors: np.ndarray) -> float:
    """Of the Jaccard loss, pixel by pixel, as equations 6 and 8 of arXiv 1705.08790 define it."""
    total, before = 0.0, 0.0
    wrong = np.zeros(len(truth), bool)
    for pixel in np.argsort(-errors):
        wrong[pixel] = True
        loss = wrong.sum() / (truth | wrong).sum()
        total += errors[pixel] * (loss - before)
        before = loss
    return total


def defined_lovasz_softmax(classes: list[int], weights: np.ndarray) -> float:
    """Equations 9 and 11, with a weight for each class."""
    losses = [lovasz_extension(label == TRUTH, np.abs((label == TRUTH) - PROBABILITIES[:, label])) for label in classes]
    return float(np.average(losses, weights=weights[classes]))


@pytest.mark.parametrize("smooth", [1e-5, 1.0, 7.5])
@pytest.mark.parametrize("present_only", [True, False])
@pytest.mark.parametrize("weights", [None, [1, 2, 0.5, 3]])
class TestPublished:
    def expected(self, scores, weights, present_only):
        classes = PRESENT if present_only else list(range(CLASSES))
        return 1 - np.average([scores(label) for label in classes], weights=np.array(weights or [1] * CLASSES)[classes])

    def test_dice(self, smooth, present_only, weights):
        config = DiceLossConfig(smooth=smooth, present_only=present_only, class_weights=weights)
        expected = self.expected(lambda label: published_f_score(label, 1, smooth), weights, present_only)
        assert found(config) == pytest.approx(expected, rel=1e-5)

    def test_jaccard(self, smooth, present_only, weights):
        config = JaccardLossConfig(smooth=smooth, present_only=present_only, class_weights=weights)
        expected = self.expected(lambda label: published_iou_score(label, smooth), weights, present_only)
        assert found(config) == pytest.approx(expected, rel=1e-5)

    @pytest.mark.parametrize(("alpha", "beta"), [(0.3, 0.7), (2, 0.1)])
    def test_tversky(self, smooth, present_only, weights, alpha, beta):
        config = TverskyLossConfig(
            alpha=alpha, beta=beta, smooth=smooth, present_only=present_only, class_weights=weights
        )
        expected = self.expected(
            lambda label: published_tversky_score(label, alpha, beta, smooth), weights, present_only
        )
        assert found(config) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("present_only", [True, False])
@pytest.mark.parametrize("weights", [None, [1, 2, 0.5, 3]])
def test_lovasz_is_as_the_paper_defines_it(present_only, weights):
    classes = PRESENT if present_only else list(range(CLASSES))
    expected = defined_lovasz_softmax(classes, np.array(weights or [1] * CLASSES))
    assert found(LovaszLossConfig(present_only=present_only, class_weights=weights)) == pytest.approx(
        expected, rel=1e-5
    )


def test_focal_tversky_is_a_power_of_each_classs_loss():
    each = [1 - published_tversky_score(label, 0.3, 0.7, 1) for label in PRESENT]
    assert found(TverskyLossConfig(gamma=0.75)) == pytest.approx(np.mean(np.power(each, 0.75)), rel=1e-5)


@pytest.mark.parametrize(
    ("config", "score"),
    [
        (DiceLossConfig(smooth=NEXT_TO_NOTHING), f1_score),
        (JaccardLossConfig(smooth=NEXT_TO_NOTHING), jaccard_score),
        (LovaszLossConfig(), jaccard_score),
        # F2 weighs misses four times as much as false alarms.
        (
            TverskyLossConfig(smooth=NEXT_TO_NOTHING, alpha=0.2, beta=0.8),
            lambda *masks, **options: fbeta_score(*masks, beta=2, **options),
        ),
    ],
    ids=["dice", "jaccard", "lovasz", "tversky"],
)
def test_of_certain_predictions_it_is_1_minus_scikit_learns_score(config, score):
    predicted = LOGITS.argmax(axis=-1)
    certain = 1e4 * np.eye(CLASSES, dtype=np.float32)[predicted]
    scores = score(TRUTH, predicted[COUNTED], labels=PRESENT, average=None, zero_division=0)
    assert found(config, certain) == pytest.approx(1 - scores.mean(), abs=1e-5)


def test_by_hand():
    # Two pixels of class 0, one of class 1; probabilities of class 0 are 0.5, 0.75, 0.25.
    logits = np.log(np.array([[[[0.5, 0.5], [0.75, 0.25], [0.25, 0.75]]]], np.float32))
    labels = np.array([[[0, 0, 1]]], np.uint8)
    # Class 0: shared 1.25, predicted 1.5, true 2; class 1: shared 0.75, predicted 1.5, true 1.
    dice = 1 - ((2.5 + 1) / (3.5 + 1) + (1.5 + 1) / (2.5 + 1)) / 2
    assert found(DiceLossConfig(), logits, labels) == pytest.approx(dice)
    jaccard = 1 - ((1.25 + 1) / (2.25 + 1) + (0.75 + 1) / (1.75 + 1)) / 2
    assert found(JaccardLossConfig(), logits, labels) == pytest.approx(jaccard)
    # Errors of either class are 0.5, 0.25, 0.25. Its 1 - IoU is 1/2 with the first pixel wrong, and 1 with all wrong.
    lovasz = 0.5 * 1 / 2 + 0.25 * (1 - 1 / 2)
    assert found(LovaszLossConfig(), logits, labels) == pytest.approx(lovasz)


def test_an_absent_class_that_nobody_predicts_costs_nothing():
    labels = np.zeros((1, 4, 4), np.uint8)
    certain = 1e4 * np.eye(2, dtype=np.float32)[labels]
    for config in (DiceLossConfig, JaccardLossConfig, TverskyLossConfig, LovaszLossConfig):
        assert found(config(present_only=False), certain, labels) == pytest.approx(0, abs=1e-6)
