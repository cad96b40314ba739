"""What every loss keeps to; each one's numbers are tested in tests/training/test_losses.py."""

import numpy as np
import pytest
import tensorflow as tf

from segsweep.config.registration import SECTIONS
from segsweep.config.schema import LossConfig
from segsweep.data.dataset import IGNORE
from segsweep.training.losses import LOSSES, build_loss

CONFIGS = {"cross_entropy": LossConfig(name="cross_entropy")}
CLASSES = 3


def test_every_loss_is_tested_and_has_a_schema():
    assert CONFIGS.keys() == LOSSES.keys() == SECTIONS["loss"].keys()


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
class TestContract:
    @pytest.fixture
    def loss(self, config):
        return build_loss(config, classes=CLASSES, class_frequencies=np.array([5, 3, 2]))

    @pytest.fixture
    def labels(self):
        return np.random.default_rng(0).integers(0, CLASSES, (2, 4, 4)).astype(np.uint8)

    def test_right_is_better_than_wrong(self, loss, labels):
        right = 5 * np.eye(CLASSES, dtype=np.float32)[labels]
        wrong = np.roll(right, 1, axis=-1)
        assert 0 <= float(loss(right, labels)) < float(loss(wrong, labels))

    def test_ignored_pixels_have_no_loss_and_no_gradient(self, loss, labels):
        labels[:, :2] = IGNORE
        logits = tf.Variable(np.random.default_rng(1).normal(size=(*labels.shape, CLASSES)).astype(np.float32))
        with tf.GradientTape() as tape:
            value = loss(logits, labels)
        gradient = tf.convert_to_tensor(tape.gradient(value, logits)).numpy()
        assert not gradient[:, :2].any()
        assert gradient[:, 2:].any()
        logits[:, :2].assign(tf.zeros_like(logits[:, :2]))
        assert float(loss(logits, labels)) == pytest.approx(float(value))

    def test_nothing_labelled_is_0_and_not_nan(self, loss, labels):
        logits = tf.Variable(tf.ones((*labels.shape, CLASSES)))
        with tf.GradientTape() as tape:
            value = loss(logits, np.full_like(labels, IGNORE))
        assert float(value) == 0
        assert np.isfinite(tf.convert_to_tensor(tape.gradient(value, logits)).numpy()).all()
