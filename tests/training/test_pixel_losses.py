"""The focal loss and the partial cross-entropy, against their papers and by hand."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax

from segsweep.config.loss_schema import FocalLossConfig, PartialCrossEntropyLossConfig
from segsweep.config.schema import LossConfig
from segsweep.data.dataset import IGNORE
from segsweep.training.losses import build_loss

CLASSES = 3
RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(0, 3, (2, 5, 4, CLASSES)).astype(np.float32)
LABELS = RANDOM.choice([0, 0, 0, 1, 2, IGNORE], (2, 5, 4)).astype(np.uint8)


def logits_of(probability: float) -> np.ndarray:
    """One pixel of two classes, of which the first has that probability."""
    return np.log(np.array([probability, 1 - probability], np.float32)).reshape(1, 1, 1, 2)


def focal(logits: np.ndarray, labels: np.ndarray, gamma: float) -> np.ndarray:
    """Equation 4 of Lin et al. for each pixel that counts."""
    counted = labels != IGNORE
    p = softmax(logits[counted].astype(np.float64), axis=-1)[np.arange(counted.sum()), labels[counted]]
    return -((1 - p) ** gamma) * np.log(p)


@pytest.mark.parametrize(("probability", "share"), [(0.9, 1 / 100), (0.968, 1 / 1000)])
def test_focal_is_as_much_smaller_as_the_paper_says(probability, share):
    # Section 3.2: "with gamma = 2, an example classified with pt = 0.9 would have 100x lower loss compared with CE and
    # with pt ~ 0.968 it would have 1000x lower loss".
    truth = np.zeros((1, 1, 1), np.uint8)
    found = float(build_loss(FocalLossConfig(), classes=2)(logits_of(probability), truth))
    plain = float(build_loss(LossConfig(), classes=2)(logits_of(probability), truth))
    assert found / plain == pytest.approx(share, rel=0.03)


@pytest.mark.parametrize("gamma", [0, 0.5, 1, 2, 5])
def test_focal_is_the_mean_over_the_pixels_that_count(gamma):
    loss = build_loss(FocalLossConfig(gamma=gamma), classes=CLASSES)
    assert float(loss(LOGITS, LABELS)) == pytest.approx(focal(LOGITS, LABELS, gamma).mean(), rel=1e-4)


def test_focal_with_weights_of_classes():
    weights = np.array([1, 2, 5])
    loss = build_loss(FocalLossConfig(class_weights=weights.tolist()), classes=CLASSES)
    of_pixels = weights[LABELS[LABELS != IGNORE]]
    assert float(loss(LOGITS, LABELS)) == pytest.approx(
        np.average(focal(LOGITS, LABELS, 2), weights=of_pixels), rel=1e-4
    )


@pytest.mark.parametrize("sure", [8, 30, 1000])
def test_focal_with_a_small_exponent_has_a_finite_gradient_where_a_pixel_is_right(sure):
    logits = tf.Variable([[[[sure, -sure]]]], dtype=tf.float32)
    with tf.GradientTape() as tape:
        value = build_loss(FocalLossConfig(gamma=0.5), classes=2)(logits, np.zeros((1, 1, 1), np.uint8))
    assert np.abs(tape.gradient(value, logits)).max() < 1e-3


def test_partial_cross_entropy_counts_sparse_and_full_images_alike():
    # One image with a single labelled pixel, one with all, one with none.
    logits = RANDOM.normal(0, 2, (3, 4, 4, CLASSES)).astype(np.float32)
    labels = RANDOM.integers(0, CLASSES, (3, 4, 4)).astype(np.uint8)
    labels[0].ravel()[1:] = IGNORE
    labels[2] = IGNORE
    expected = (focal(logits[:1], labels[:1], 2)[0] + focal(logits[1:2], labels[1:2], 2).mean()) / 2
    loss = build_loss(PartialCrossEntropyLossConfig(), classes=CLASSES)
    assert float(loss(logits, labels)) == pytest.approx(expected, rel=1e-4)


def test_partial_cross_entropy_of_full_labels_is_cross_entropy():
    labels = np.where(LABELS == IGNORE, np.uint8(0), LABELS)
    partial = build_loss(PartialCrossEntropyLossConfig(gamma=0), classes=CLASSES)
    full = build_loss(LossConfig(), classes=CLASSES)
    assert float(partial(LOGITS, labels)) == pytest.approx(float(full(LOGITS, labels)), rel=1e-5)


def test_partial_cross_entropy_passes_over_images_without_weight():
    # All that is labelled in the second image weighs nothing.
    labels = np.stack([np.zeros((5, 4)), np.full((5, 4), 2)]).astype(np.uint8)
    loss = build_loss(PartialCrossEntropyLossConfig(class_weights=[1, 1, 0]), classes=CLASSES)
    assert float(loss(LOGITS, labels)) == pytest.approx(float(loss(LOGITS[:1], labels[:1])), rel=1e-5)
    assert float(loss(tf.constant(LOGITS[1:]), labels[1:])) == 0
