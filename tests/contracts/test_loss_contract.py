"""What every loss keeps to; each one's numbers are tested in tests/training/test_losses.py."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from segsweep.config import loss_schema
from segsweep.config.registration import SECTIONS
from segsweep.config.schema import LossConfig
from segsweep.data.dataset import IGNORE
from segsweep.training.losses import LOSSES, build_loss

CONFIGS = {
    "cross_entropy": LossConfig(),
    "focal": loss_schema.FocalLossConfig(),
    "dice": loss_schema.DiceLossConfig(),
    "jaccard": loss_schema.JaccardLossConfig(),
    "tversky": loss_schema.TverskyLossConfig(gamma=0.75),
    "lovasz": loss_schema.LovaszLossConfig(),
    "partial_cross_entropy": loss_schema.PartialCrossEntropyLossConfig(),
    "combined": loss_schema.CombinedLossConfig(terms=loss_schema.LossTerms(dice=1, focal=0.5, lovasz=2)),
}
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

    def test_half_precision_gives_single_precision(self, loss, labels):
        logits = np.random.default_rng(1).normal(size=(*labels.shape, CLASSES)).astype(np.float16)
        found = loss(tf.constant(logits), labels)
        assert found.dtype == tf.float32
        assert float(found) == pytest.approx(float(loss(logits.astype(np.float32), labels)))

    def test_one_graph_serves_batches_of_any_size(self, loss, labels):
        signature = [tf.TensorSpec((None, 4, 4, CLASSES), tf.float32), tf.TensorSpec((None, 4, 4), tf.uint8)]
        graph = tf.function(loss, input_signature=signature, autograph=False).get_concrete_function()
        logits = np.random.default_rng(1).normal(size=(*labels.shape, CLASSES)).astype(np.float32)
        for images in (1, 2):
            found = float(graph(tf.constant(logits[:images]), tf.constant(labels[:images])))
            assert found == pytest.approx(float(loss(logits[:images], labels[:images])), rel=1e-5)

    @pytest.mark.parametrize("sure", [30.0, 1e4])
    @pytest.mark.parametrize("turn", [0, 1], ids=["right", "wrong"])
    def test_sure_predictions_have_a_finite_gradient(self, loss, labels, turn, sure):
        logits = tf.Variable(np.roll(sure * np.eye(CLASSES, dtype=np.float32)[labels], turn, axis=-1))
        with tf.GradientTape() as tape:
            value = loss(logits, labels)
        assert 0 <= float(value) < np.inf
        assert np.isfinite(tf.convert_to_tensor(tape.gradient(value, logits)).numpy()).all()

    def test_a_step_against_the_gradient_lowers_it(self, loss, labels):
        logits = tf.Variable(np.random.default_rng(1).normal(size=(*labels.shape, CLASSES)).astype(np.float32))
        with tf.GradientTape() as tape:
            before = loss(logits, labels)
        logits.assign_sub(0.01 * tape.gradient(before, logits))
        assert float(loss(logits, labels)) < float(before)

    def test_a_class_without_weight_does_not_count(self, config):
        # Class 2 weighs nothing: pixels of it may be predicted as any class.
        weighted = build_loss(replace(config, class_weights=[1, 2, 0]), classes=CLASSES)
        labels = np.full((1, 4, 4), 2, np.uint8)
        logits = np.random.default_rng(1).normal(size=(*labels.shape, CLASSES)).astype(np.float32)
        assert float(weighted(logits, labels)) == 0
        assert float(build_loss(config, classes=CLASSES)(logits, labels)) > 0
