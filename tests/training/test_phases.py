"""Stopping at a target, lowering the rate on a plateau, and fine-tuning in a second phase."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from tiny_training import LOSS, MODEL, SIZE, TRAINING, dataset, split

from segsweep.config.training_schema import EarlyStoppingConfig, FineTuningConfig, PlateauConfig
from segsweep.data.batches import training_batches
from segsweep.data.dataset import ArraySplit
from segsweep.models.table import build_model
from segsweep.training.history import EpochReport
from segsweep.training.losses import build_loss
from segsweep.training.phases import plateau_share
from segsweep.training.schedules import learning_rate
from segsweep.training.trainer import fit

ENCODER = ("enc0", "enc1")
TUNED = replace(TRAINING, epochs=3, schedule="constant", fine_tuning=FineTuningConfig(epochs=3, frozen="none"))


class Interruption(Exception):
    pass


class Freezer:
    """Freezes the encoder of the tiny model, as `all`, or nothing, as `none`."""

    def __init__(self, model: keras.Model):
        self.model = model
        self("all")

    def __call__(self, frozen: str) -> None:
        for layer in self.model.layers:
            layer.trainable = not (frozen == "all" and layer.name.startswith(ENCODER))


def misleading():
    """Data of which what is learned makes the validation worse, so that the best epoch comes early."""
    validation = split(5, seed=1)
    return dataset(validation=ArraySplit(1 - validation.images, validation.labels))


def train(training, data=None, **kwargs):
    model = build_model(MODEL, (*SIZE, 3), 2, seed=5)
    freezer = Freezer(model)
    data = data or dataset()
    return model, fit(model, data, training=training, loss=LOSS, size=SIZE, seed=5, set_frozen=freezer, **kwargs)


def train_interrupted(path, after, training, data=None):
    def interrupt(report):
        if report.epoch == after:
            raise Interruption

    with pytest.raises(Interruption):
        train(training, data, checkpoint=path, training_key="key", on_epoch=interrupt)
    return train(training, data, checkpoint=path, training_key="key")


def named(model) -> dict[str, np.ndarray]:
    return {variable.name: variable.numpy() for variable in model.variables}


def history_of(*values: float, name: str = "val/loss") -> list[EpochReport]:
    return [EpochReport(number, 99, {name: value}, 0.0, None, 0) for number, value in enumerate(values, start=1)]


class TestPlateau:
    @pytest.mark.parametrize("monitor", ["val/loss", "val/mean_iou"])
    def test_rates_are_those_of_the_keras_callback(self, monitor):
        values = np.random.default_rng(0).integers(0, 6, 40).tolist()
        settings = replace(
            TRAINING,
            schedule="plateau",
            learning_rate=0.5,
            early_stopping=EarlyStoppingConfig(monitor),
            plateau=PlateauConfig(factor=0.3, patience=3, min_share=0.001),
        )
        callback = keras.callbacks.ReduceLROnPlateau(
            monitor, factor=0.3, patience=3, min_delta=0, min_lr=0.0005, mode="min" if "loss" in monitor else "max"
        )
        model = keras.Sequential([keras.layers.Dense(1, input_shape=(1,))])
        model.compile(keras.optimizers.SGD(0.5), "mse")
        callback.set_model(model)
        callback.on_train_begin()
        for epoch, value in enumerate(values):
            callback.on_epoch_end(epoch, {monitor: value})
            history = history_of(*values[: epoch + 1], name=monitor)
            rate = learning_rate(settings, 3, 1, plateau_share(settings, history))
            assert rate == pytest.approx(float(model.optimizer.learning_rate))
        assert rate == 0.0005

    def test_counts_from_the_end_of_the_warm_up_and_only_where_it_is_chosen(self):
        settings = replace(TRAINING, schedule="plateau", warmup_epochs=2, plateau=PlateauConfig(patience=2))
        settings = replace(settings, early_stopping=EarlyStoppingConfig("val/loss"))
        assert plateau_share(settings, history_of(1, 1, 3, 3)) == 1
        assert plateau_share(settings, history_of(1, 1, 3, 3, 3)) == 0.5
        assert plateau_share(replace(settings, schedule="cosine"), history_of(1, 1, 3, 3, 3)) == 1

    def test_resumes_exactly(self, tmp_path):
        settings = replace(
            TRAINING,
            epochs=7,
            schedule="plateau",
            learning_rate=0.1,
            plateau=PlateauConfig(patience=1),
            early_stopping=EarlyStoppingConfig("val/loss"),
        )
        expected_model, expected = train(settings, misleading())
        rates = [report.metrics["learning_rate"] for report in expected.history]
        # Lowered before and after the interruption.
        assert rates[-1] < rates[4] < rates[0] == 0.1
        model, result = train_interrupted(tmp_path / "state.npz", 4, settings, misleading())
        assert [report.metrics for report in result.history] == [report.metrics for report in expected.history]
        np.testing.assert_equal(named(model), named(expected_model))


class TestTarget:
    @pytest.mark.parametrize(("monitor", "sign"), [("val/loss", -1), ("val/accuracy", 1)])
    def test_stops_with_the_first_epoch_that_reaches_it(self, monitor, sign, tmp_path):
        settings = replace(TRAINING, epochs=10, learning_rate=0.05, early_stopping=EarlyStoppingConfig(monitor))
        values = [report.metrics[monitor] for report in train(settings)[1].history]
        target = sorted(values)[5]
        first = next(number for number, value in enumerate(values, start=1) if sign * value >= sign * target)
        stopping = EarlyStoppingConfig(monitor, target=target)
        # Neither a second phase nor another start goes on after it.
        settings = replace(settings, early_stopping=stopping, fine_tuning=FineTuningConfig(epochs=2))
        path = tmp_path / "state.npz"
        for _ in range(2):
            result = train(settings, checkpoint=path, training_key="key")[1]
            assert len(result.history) == result.best_epoch == first < 10


class TestFineTuning:
    def test_first_the_encoder_stays_as_it_is_then_it_moves_at_a_lower_rate(self):
        weights = []
        before = named(build_model(MODEL, (*SIZE, 3), 2, seed=5))
        reports = []
        model = build_model(MODEL, (*SIZE, 3), 2, seed=5)
        fit(
            model, dataset(), training=TUNED, loss=LOSS, size=SIZE, seed=5, set_frozen=Freezer(model),
            on_epoch=lambda report: (reports.append(report), weights.append(named(model))),
        )  # fmt: skip
        moved = [{name for name in before if not np.array_equal(before[name], after[name])} for after in weights]
        encoder = {name for name in before if name.startswith(ENCODER)}
        assert encoder
        assert not moved[2] & encoder
        assert moved[2] == before.keys() - encoder
        assert moved[5] == before.keys()
        assert [report.metrics["learning_rate"] for report in reports] == pytest.approx([0.01] * 3 + [0.001] * 3)
        assert [(report.epoch, report.epochs, report.phase) for report in reports] == [
            *((number, 6, 1) for number in (1, 2, 3)),
            *((number, 6, 2) for number in (4, 5, 6)),
        ]
        assert [layer.trainable for layer in model.layers] == [
            not layer.name.startswith(ENCODER) for layer in model.layers
        ], "as it was when the training began"

    def test_is_a_training_of_its_own_from_the_best_epoch_on(self):
        """With the seed and the epochs' numbers set so that both see the same images in the same order."""
        settings = replace(TUNED, epochs=6, learning_rate=0.03, fine_tuning=FineTuningConfig(epochs=1))
        data = misleading()
        model, first = train(replace(settings, fine_tuning=FineTuningConfig()), data)
        assert first.best_epoch < 6, "so that the best and the last differ"
        start = model.get_weights()
        tuned = []
        model = build_model(MODEL, (*SIZE, 3), 2, seed=5)
        keep = {"on_epoch": lambda report: tuned.append(model.get_weights())}
        fit(model, data, training=settings, loss=LOSS, size=SIZE, seed=5, set_frozen=Freezer(model), **keep)
        model = build_model(MODEL, (*SIZE, 3), 2, seed=5)
        model.set_weights(start)
        optimizer = keras.optimizers.Adam(0.003, jit_compile=False)
        batches = training_batches(
            data.train, data.normalization, size=SIZE, batch_size=4, augmentation=TUNED.augmentation, seed=5, epoch=7
        )
        objective = build_loss(LOSS, classes=2)
        for images, labels in batches:
            with tf.GradientTape() as tape:
                value = objective(model(images, training=True), labels)
            gradients = tape.gradient(value, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        for one, other in zip(tuned[6], model.get_weights(), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("after", [2, 3, 4, 6])
    def test_resumes_exactly_in_either_phase(self, tmp_path, after):
        expected_model, expected = train(TUNED)
        model, result = train_interrupted(tmp_path / "state.npz", after, TUNED)
        assert [report.metrics for report in result.history] == [report.metrics for report in expected.history]
        assert [report.phase for report in result.history] == [1, 1, 1, 2, 2, 2]
        assert (result.best_epoch, result.resumed_from) == (expected.best_epoch, after)
        np.testing.assert_equal(named(model), named(expected_model))

    def test_patience_ends_a_phase_and_counts_anew_in_the_next(self, tmp_path):
        settings = replace(
            TUNED,
            epochs=8,
            learning_rate=1e-12,
            fine_tuning=FineTuningConfig(epochs=9, learning_rate=1e-12),
            early_stopping=EarlyStoppingConfig("val/accuracy", patience=3),
        )
        expected_model, expected = train(settings)
        phases = [report.phase for report in expected.history]
        assert phases.count(1) < 8
        assert 3 <= phases.count(2) < 9
        model, result = train_interrupted(tmp_path / "state.npz", phases.count(1) + 1, settings)
        assert [report.phase for report in result.history] == phases
        np.testing.assert_equal(named(model), named(expected_model))


def test_weights_keep_their_order_whatever_is_frozen():
    """What a checkpoint and the file of weights rest on."""
    model = build_model(MODEL, (*SIZE, 3), 2, seed=5)
    before = [variable.name for variable in model.weights]
    Freezer(model)
    assert [variable.name for variable in model.weights] == before
