"""The moving average of a model's weights."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from test_trainer import assert_same_weights, train, train_interrupted, without_times
from tiny_training import LOSS, SIZE, TRAINING, dataset

from segsweep.config.training_schema import FineTuningConfig
from segsweep.training.steps import Validation
from segsweep.training.trainer import _objective
from segsweep.training.weight_averaging import WeightAverage

AVERAGING = replace(TRAINING, ema=0.9, learning_rate=0.01)


def one_weight(value: float) -> keras.Model:
    model = keras.Sequential([keras.layers.Dense(1, use_bias=False, input_shape=(1,))])
    model.set_weights([np.array([[value]], np.float32)])
    return model


class TestTheAverage:
    def test_by_hand(self):
        # Of the start 8 a first step keeps 1/10, a second 2/11, a third 0.2 (less than 3/12) of what was there.
        model = one_weight(8.0)
        average = WeightAverage(model, 0.2)
        expected = []
        for value, kept in ((4.0, 1 / 10), (2.0, 2 / 11), (1.0, 0.2)):
            model.set_weights([np.array([[value]], np.float32)])
            average.update()
            expected.append(kept * (expected[-1] if expected else 8.0) + (1 - kept) * value)
        with average.in_model():
            assert model.get_weights()[0].item() == pytest.approx(expected[-1], rel=1e-6)
        assert model.get_weights()[0].item() == 1.0

    def test_is_that_of_tensorflow(self):
        model, shadowed, step = one_weight(3.0), tf.Variable([[3.0]]), tf.Variable(0)
        average, reference = WeightAverage(model, 0.7), tf.train.ExponentialMovingAverage(0.7, num_updates=step)
        reference.apply([shadowed])
        reference.average(shadowed).assign(shadowed)
        for value in np.random.default_rng(0).random(40):
            model.set_weights([np.array([[value]], np.float32)])
            average.update()
            shadowed.assign([[value]])
            reference.apply([shadowed])
            step.assign_add(1)
        with average.in_model():
            np.testing.assert_allclose(model.get_weights()[0], reference.average(shadowed).numpy(), rtol=1e-5)

    def test_holds_the_statistics_of_batch_norms_too(self):
        model = keras.Sequential([keras.layers.BatchNormalization(input_shape=(1,))])
        average = WeightAverage(model, 0.9)
        start = model.get_weights()
        model.set_weights([weight + 1 for weight in start])
        average.update()
        with average.in_model():
            for now, before in zip(model.get_weights(), start, strict=True):
                np.testing.assert_allclose(now, before + 0.9, rtol=1e-6)


class TestTraining:
    def test_the_scores_of_an_epoch_and_the_weights_kept_are_those_of_the_average(self):
        data = dataset()
        model, result = train(data=data, training=AVERAGING)
        plain_model, plain = train(data=data, training=TRAINING)
        losses = [report.metrics["train/loss"] for report in result.history]
        assert losses == [report.metrics["train/loss"] for report in plain.history], "the training itself is the same"
        assert not np.array_equal(model.get_weights()[0], plain_model.get_weights()[0])
        validation = Validation(
            model, _objective(LOSS, data), data.validation, data.normalization,
            class_names=data.classes, size=SIZE, batch_size=4,
        )  # fmt: skip
        kept = result.history[result.best_epoch - 1].metrics
        found = validation()
        assert found == {name: kept[name] for name in found}

    @pytest.mark.parametrize("after", [2, 4, 5])
    def test_resumed_equals_an_uninterrupted_training_bit_for_bit(self, tmp_path, after):
        settings = replace(AVERAGING, fine_tuning=FineTuningConfig(epochs=2))
        expected_model, expected = train(training=settings)
        model, result = train_interrupted(tmp_path / "state.npz", after=after, training=settings)
        assert_same_weights(model, expected_model)
        assert without_times(result.history) == without_times(expected.history)
        assert result.best_epoch == expected.best_epoch
