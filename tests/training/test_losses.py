import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_class_weight

from segsweep.config.loss_schema import (
    TERMS,
    CombinedLossConfig,
    DiceLossConfig,
    FocalLossConfig,
    FocalSettings,
    LossTerms,
    RegionSettings,
)
from segsweep.config.schema import LossConfig
from segsweep.data.dataset import IGNORE
from segsweep.errors import ConfigError
from segsweep.training.losses import LOSSES, build_loss, class_weights

CLASSES = 3
RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(0, 3, (2, 5, 4, CLASSES)).astype(np.float32)
LABELS = RANDOM.choice([0, 0, 0, 1, 2, IGNORE], (2, 5, 4)).astype(np.uint8)
COUNTED = LABELS != IGNORE


def expected(weights=None):
    truth = LABELS[COUNTED]
    return log_loss(
        truth,
        softmax(LOGITS[COUNTED].astype(np.float64), axis=-1),
        labels=range(CLASSES),
        sample_weight=None if weights is None else np.asarray(weights)[truth],
    )


def test_is_the_mean_over_the_pixels_that_count():
    loss = build_loss(LossConfig(), classes=CLASSES)
    assert float(loss(LOGITS, LABELS)) == pytest.approx(expected(), rel=1e-5)


@pytest.mark.parametrize("weights", [[1, 2, 3], [0.5, 0, 8.0], (1, 1, 1)])
def test_weights_of_classes(weights):
    loss = build_loss(LossConfig(class_weights=weights), classes=CLASSES)
    assert float(loss(LOGITS, LABELS)) == pytest.approx(expected(weights), rel=1e-5)


def test_balanced_weights():
    truth = LABELS[COUNTED]
    weights = compute_class_weight("balanced", classes=np.arange(CLASSES), y=truth)
    frequencies = np.bincount(truth, minlength=CLASSES)
    loss = build_loss(LossConfig(class_weights="balanced"), classes=CLASSES, class_frequencies=frequencies)
    assert float(loss(LOGITS, LABELS)) == pytest.approx(expected(weights), rel=1e-5)


def test_balanced_weights_where_a_class_does_not_occur():
    assert class_weights("balanced", 3, np.array([30, 0, 10])).tolist() == pytest.approx([40 / 60, 1, 40 / 20])


def test_balanced_weights_need_frequencies():
    with pytest.raises(ValueError, match="class_frequencies"):
        build_loss(LossConfig(class_weights="balanced"), classes=2)


def gradient(logits, labels):
    logits = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = build_loss(LossConfig(), classes=CLASSES)(logits, labels)
    return float(value), tape.gradient(value, logits).numpy()


def test_gradient():
    _, found = gradient(LOGITS, LABELS)
    truth = np.eye(CLASSES)[np.where(COUNTED, LABELS, 0)]
    by_hand = (softmax(LOGITS, axis=-1) - truth) * COUNTED[..., None] / COUNTED.sum()
    np.testing.assert_allclose(found, by_hand, atol=1e-7)


def test_no_pixel_counts():
    value, found = gradient(LOGITS, np.full_like(LABELS, IGNORE))
    assert value == 0
    assert not found.any()


@pytest.mark.parametrize("weights", ["inverse", [1, 2], [1, 2, -1], [0, 0, 0], [1, float("nan"), 1], 3], ids=str)
def test_weights_that_do_not_fit(weights):
    with pytest.raises(ConfigError, match=r"loss\.class_weights="):
        build_loss(LossConfig(class_weights=weights), classes=CLASSES)


def test_unknown_name():
    with pytest.raises(ConfigError, match="loss=hinge is unknown; there are combined, cross_entropy"):
        build_loss(LossConfig(name="hinge"), classes=2)


def test_a_sum_is_the_weighted_sum_of_its_terms_with_their_settings():
    terms = LossTerms(dice=0.5, focal=3, cross_entropy=1, tversky=0)
    config = CombinedLossConfig(
        terms=terms, focal=FocalSettings(gamma=1), dice=RegionSettings(smooth=5), class_weights=[1, 2, 3]
    )
    parts = (
        (0.5, DiceLossConfig(smooth=5, class_weights=[1, 2, 3])),
        (3, FocalLossConfig(gamma=1, class_weights=[1, 2, 3])),
        (1, LossConfig(class_weights=[1, 2, 3])),
    )
    total = sum(weight * float(build_loss(part, classes=CLASSES)(LOGITS, LABELS)) for weight, part in parts)
    assert float(build_loss(config, classes=CLASSES)(LOGITS, LABELS)) == pytest.approx(total, rel=1e-5)


def test_a_sum_is_by_default_of_dice_and_focal():
    given = CombinedLossConfig(terms=LossTerms(dice=1, focal=1))
    for config in (CombinedLossConfig(), given):
        found = float(build_loss(config, classes=CLASSES)(LOGITS, LABELS))
        parts = [build_loss(part, classes=CLASSES)(LOGITS, LABELS) for part in (DiceLossConfig(), FocalLossConfig())]
        assert found == pytest.approx(float(sum(parts)), rel=1e-5)


def test_a_sum_of_nothing():
    with pytest.raises(ConfigError, match="every term weighs 0"):
        build_loss(CombinedLossConfig(terms=LossTerms(dice=0)), classes=CLASSES)


def test_every_loss_but_the_sum_can_be_a_term():
    assert {*TERMS, "combined"} == LOSSES.keys()
