import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import accuracy_score, f1_score, jaccard_score, log_loss
from tiny_training import LOSS, MODEL, SIZE, TRAINING, dataset, split

from segsweep.config.schema import LossConfig
from segsweep.config.training_schema import AugmentationConfig, EarlyStoppingConfig
from segsweep.data.batches import evaluation_batches, training_batches
from segsweep.data.dataset import IGNORE, ArraySplit
from segsweep.errors import ConfigError, DataError, NonFiniteLossError
from segsweep.models.table import build_model
from segsweep.training import steps
from segsweep.training.history import seconds_left
from segsweep.training.schedules import learning_rate
from segsweep.training.trainer import fit


def tiny_model(classes: int = 2):
    return build_model(MODEL, (*SIZE, 3), classes, seed=5)


def train(model=None, data=None, training=TRAINING, loss=LOSS, seed=5, **kwargs):
    data = data or dataset()
    model = model or tiny_model(len(data.classes))
    return model, fit(model, data, training=training, loss=loss, size=SIZE, seed=seed, **kwargs)


def assert_same_weights(one, two):
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


class Interruption(Exception):
    pass


def train_interrupted(path, after: int, **kwargs):
    """The same training, interrupted after an epoch and then taken up by a fresh model."""

    def interrupt(report):
        if report.epoch == after:
            raise Interruption

    with pytest.raises(Interruption):
        train(checkpoint=path, training_key="key", on_epoch=interrupt, **kwargs)
    return train(checkpoint=path, training_key="key", **kwargs)


def without_times(history):
    return [(report.epoch, report.metrics) for report in history]


class TestDeterminism:
    def test_same_seed_same_weights(self):
        (one, first), (two, second) = train(), train()
        assert_same_weights(one, two)
        assert without_times(first.history) == without_times(second.history)

    def test_other_seed_other_weights(self):
        one, two = train()[0], train(seed=6)[0]
        assert not np.array_equal(one.get_weights()[0], two.get_weights()[0])


class TestResuming:
    @pytest.mark.parametrize("optimizer", ["adam", "adamw", "nadam", "rmsprop", "sgd"])
    def test_equals_an_uninterrupted_training_bit_for_bit(self, tmp_path, optimizer):
        settings = replace(
            TRAINING,
            optimizer=optimizer,
            warmup_epochs=1,
            weight_decay=0.01,
            gradient_clip_norm=1.0,
            learning_rate=3e-3,
        )
        expected_model, expected = train(training=settings)
        model, result = train_interrupted(tmp_path / "state.npz", after=2, training=settings)
        assert_same_weights(model, expected_model)
        assert without_times(result.history) == without_times(expected.history)
        assert result.best_epoch == expected.best_epoch
        assert (result.resumed_from, expected.resumed_from) == (2, None)
        assert result.seconds > sum(report.seconds for report in result.history[:2])

    @pytest.mark.slow
    def test_of_a_quantization_aware_training(self, tmp_path):
        from tensorflow_model_optimization.quantization.keras import quantize_model

        def quantized():
            return quantize_model(tiny_model())

        expected_model, expected = train(quantized())
        path = tmp_path / "state.npz"

        def interrupt(report):
            if report.epoch == 2:
                raise Interruption

        with pytest.raises(Interruption):
            train(quantized(), checkpoint=path, training_key="key", on_epoch=interrupt)
        model, result = train(quantized(), checkpoint=path, training_key="key")
        assert_same_weights(model, expected_model)
        assert without_times(result.history) == without_times(expected.history)
        ranges = [
            (one.numpy(), start.numpy())
            for one, start in zip(model.weights, quantized().weights, strict=True)
            if "quantize_layer" in one.name and "_max" in one.name
        ]
        assert ranges
        assert all(one != start for one, start in ranges), "the ranges of activations moved"

    def test_of_a_training_that_is_done_trains_no_more(self, tmp_path):
        path, epochs = tmp_path / "state.npz", []
        expected_model, expected = train(checkpoint=path, training_key="key")
        model, result = train(checkpoint=path, training_key="key", on_epoch=epochs.append)
        assert_same_weights(model, expected_model)
        assert result.history == expected.history
        assert epochs == []
        assert result.resumed_from == TRAINING.epochs

    def test_early_stopping_counts_on(self, tmp_path):
        settings = replace(
            TRAINING, epochs=9, learning_rate=1e-12, early_stopping=EarlyStoppingConfig("val/accuracy", patience=3)
        )
        expected_model, expected = train(training=settings)
        path = tmp_path / "state.npz"
        model, result = train_interrupted(path, after=expected.best_epoch + 1, training=settings)
        assert len(result.history) == len(expected.history) == expected.best_epoch + 3 < 9
        assert_same_weights(model, expected_model)
        assert len(train(training=settings, checkpoint=path, training_key="key")[1].history) == len(result.history)

    def test_another_key_or_a_damaged_file_start_afresh(self, tmp_path):
        path = tmp_path / "state.npz"
        expected_model, _ = train(checkpoint=path, training_key="key")
        assert train(checkpoint=path, training_key="other")[1].resumed_from is None
        path.write_bytes(path.read_bytes()[:-100])
        model, result = train(checkpoint=path, training_key="other")
        assert result.resumed_from is None
        assert_same_weights(model, expected_model)


class TestBestEpoch:
    @pytest.mark.parametrize("misleading", [False, True])
    @pytest.mark.parametrize(
        ("monitor", "best"), [("val/loss", min), ("val/accuracy", max), ("val/mean_iou", max), ("val/mean_dice", max)]
    )
    def test_its_weights_are_kept(self, monitor, best, misleading):
        settings = replace(
            TRAINING, epochs=8, learning_rate=0.03, schedule="constant", early_stopping=EarlyStoppingConfig(monitor)
        )
        validation = split(5, seed=1)
        if misleading:
            # What is learned makes it worse, so that the best epoch comes early.
            validation = ArraySplit(1 - validation.images, validation.labels)
        model, weights = tiny_model(), []
        data = dataset(validation=validation)
        _, result = train(model, data, settings, on_epoch=lambda report: weights.append(model.get_weights()))
        values = [report.metrics[monitor] for report in result.history]
        assert result.best_epoch == values.index(best(values)) + 1
        assert (result.best_epoch < 5) == misleading
        for kept, then in zip(model.get_weights(), weights[result.best_epoch - 1], strict=True):
            np.testing.assert_array_equal(kept, then)

    def test_of_equal_ones_the_first(self):
        # All pixels are of one class, which every epoch predicts without fail.
        ones = ArraySplit(split(4, seed=0).images, np.ones((4, 15, 16), np.uint8))
        settings = replace(TRAINING, epochs=6, learning_rate=0.05, schedule="constant")
        _, result = train(data=dataset(train=ones, validation=ones), training=settings)
        values = [report.metrics["val/mean_iou"] for report in result.history]
        assert values.count(1.0) > 1
        assert result.best_epoch == values.index(1.0) + 1

    def test_patience(self):
        settings = replace(
            TRAINING,
            epochs=20,
            learning_rate=0.2,
            schedule="constant",
            early_stopping=EarlyStoppingConfig("val/loss", patience=2),
        )
        _, result = train(training=settings)
        assert len(result.history) == result.best_epoch + 2 < 20

    def test_unknown_monitor(self):
        settings = replace(TRAINING, early_stopping=EarlyStoppingConfig("val/f1"))
        with pytest.raises(ConfigError, match="val/f1 is unknown; there are val/accuracy, val/loss, val/mean_dice"):
            train(training=settings)


class TestMetrics:
    @pytest.mark.parametrize("cache_bytes", [0, steps.CACHE_BYTES])
    def test_of_validation_equal_those_of_scikit_learn(self, monkeypatch, cache_bytes):
        monkeypatch.setattr(steps, "CACHE_BYTES", cache_bytes)
        # Class 3 is in neither truth nor, as its logit is pushed down, prediction; class 2 in the training alone.
        data = dataset(4, train=split(6, seed=0, classes=3), validation=split(5, seed=1, classes=2))
        model = tiny_model(4)
        model.get_layer("logits").bias.assign([0, 0, 0, -100])
        _, result = train(model, data, replace(TRAINING, epochs=1))
        batches = list(evaluation_batches(data.validation, data.normalization, size=SIZE, batch_size=99))
        logits = model(batches[0][0], training=False).numpy()
        counted = batches[0][1] != IGNORE
        truth, logits = batches[0][1][counted], logits[counted]
        predicted = logits.argmax(axis=-1)
        # Class 2 is predicted and occurs in no validation mask: it is in no mean.
        present = sorted(set(truth))
        assert 2 in predicted
        assert present == [0, 1]
        metrics = result.history[0].metrics
        assert metrics["val/accuracy"] == pytest.approx(accuracy_score(truth, predicted))
        assert metrics["val/mean_iou"] == pytest.approx(
            jaccard_score(truth, predicted, labels=present, average="macro")
        )
        assert metrics["val/mean_dice"] == pytest.approx(f1_score(truth, predicted, labels=present, average="macro"))
        by_class = {name: value for name, value in metrics.items() if name.startswith("val/iou_")}
        ious = jaccard_score(truth, predicted, labels=present, average=None)
        assert by_class == pytest.approx({f"val/iou_class_{label}": iou for label, iou in zip(present, ious)})
        probabilities = softmax(logits.astype(np.float64), axis=-1)
        assert metrics["val/loss"] == pytest.approx(log_loss(truth, probabilities, labels=range(4)), rel=1e-4)

    def test_of_training_are_those_before_the_step(self):
        data = dataset()
        settings = replace(TRAINING, epochs=1, batch_size=99, augmentation=AugmentationConfig(flips=False, turns=False))
        ((images, labels),) = evaluation_batches(data.train, data.normalization, size=SIZE, batch_size=99)
        logits = tiny_model()(images, training=True).numpy()[labels != IGNORE]
        truth = labels[labels != IGNORE]
        metrics = train(data=data, training=settings)[1].history[0].metrics
        expected = log_loss(truth, softmax(logits.astype(np.float64), axis=-1))
        assert metrics["train/loss"] == pytest.approx(expected, rel=1e-4)
        # Another order of summing may tip a pixel whose logits are all but equal.
        assert metrics["train/accuracy"] == pytest.approx(
            accuracy_score(truth, logits.argmax(-1)), abs=1.5 / len(truth)
        )

    def test_of_training_start_anew_each_epoch(self):
        settings = replace(TRAINING, epochs=3, learning_rate=1e-12, batch_size=99)
        settings = replace(settings, augmentation=AugmentationConfig(flips=False, turns=False))
        losses = [report.metrics["train/loss"] for report in train(training=settings)[1].history]
        assert losses[1:] == pytest.approx([losses[0]] * 2, rel=1e-5)

    def test_loss_falls_and_the_rate_follows_its_schedule(self):
        settings = replace(TRAINING, epochs=20, learning_rate=0.03)
        history = train(training=settings)[1].history
        for name in ("train/loss", "val/loss"):
            assert history[-1].metrics[name] < 0.9 * history[0].metrics[name]
        rates = [report.metrics["learning_rate"] for report in history]
        assert rates == [learning_rate(settings, 3 * epoch - 1, 3) for epoch in range(1, 21)]

    def test_the_rate_reaches_the_optimizer(self):
        settings = replace(TRAINING, epochs=2, batch_size=99, optimizer="sgd", warmup_epochs=1, momentum=0.0)
        model, moved = tiny_model(), []
        kernel = model.get_layer("logits").kernel
        before = kernel.numpy()
        train(model, training=settings, on_epoch=lambda report: moved.append(kernel.numpy()))
        np.testing.assert_array_equal(moved[0], before)
        assert not np.array_equal(moved[1], before)

    def test_reports(self):
        reports = []
        _, result = train(on_epoch=reports.append)
        assert tuple(reports) == result.history
        assert [report.epoch for report in reports] == [1, 2, 3, 4]
        assert [report.seconds_left is None for report in reports] == [True, False, False, False]
        assert reports[-1].seconds_left == 0
        assert sum(report.seconds for report in reports) <= result.seconds
        assert 0 < result.train_step_seconds < result.seconds
        assert all(isinstance(value, float) for value in asdict(reports[0])["metrics"].values())
        assert reports[0].timestamp_ms <= reports[-1].timestamp_ms

    def test_seconds_left(self):
        assert seconds_left(3, 10, [9.0, 1.0, 2.0]) == pytest.approx(1.5 * 7)


class TestData:
    def test_batch_larger_than_the_data_is_all_of_it(self):
        one, two = (train(training=replace(TRAINING, batch_size=size))[0] for size in (10, 1000))
        assert_same_weights(one, two)

    def test_order_and_augmentation_are_those_of_the_seed_and_each_epoch(self, monkeypatch):
        asked = []

        def recorded(*args, **kwargs):
            asked.append((kwargs["seed"], kwargs["epoch"]))
            return training_batches(*args, **kwargs)

        monkeypatch.setattr("segsweep.training.trainer.training_batches", recorded)
        train()
        assert asked == [(5, 1), (5, 2), (5, 3), (5, 4)]

    def test_balanced_weights_come_from_the_training_split(self):
        labels = split(10, seed=0)
        rare = ArraySplit(labels.images, np.where(np.indices(labels.labels.shape).sum(0) % 7, 0, labels.labels))
        counts = np.bincount(rare.labels.ravel(), minlength=256)[:2]
        weights = (counts.sum() / (2 * counts)).tolist()
        by_name = train(data=dataset(train=rare), loss=LossConfig(class_weights="balanced"))[0]
        by_hand = train(data=dataset(train=rare), loss=LossConfig(class_weights=weights))[0]
        unweighted = train(data=dataset(train=rare))[0]
        assert_same_weights(by_name, by_hand)
        assert not np.array_equal(by_name.get_weights()[0], unweighted.get_weights()[0])

    @pytest.mark.parametrize(("name", "where"), [("train", "training"), ("validation", "validation")])
    def test_no_pixel_counts(self, name, where):
        with pytest.raises(DataError, match=f"the {where} split has no pixel that counts"):
            train(data=dataset(**{name: split(3, seed=0, ignored=1.0)}))

    def test_loss_that_is_not_finite(self):
        images = split(10, seed=0).images.copy()
        images[7, 3, 3, 1] = math.inf
        with pytest.raises(NonFiniteLossError, match="train/loss is nan in epoch 1 of 4"):
            train(data=dataset(train=ArraySplit(images, split(10, seed=0).labels)))

    def test_weights_that_the_last_step_broke(self):
        settings = replace(TRAINING, batch_size=99, learning_rate=1e38, optimizer="sgd", schedule="constant")
        with pytest.raises(NonFiniteLossError, match=r"val/loss is (nan|inf) in epoch 1 of 4"):
            train(training=settings)


class TestTheStartOfAFineTune:
    def started(self, **kwargs):
        model, _ = train()
        before = model.get_weights()
        return before, *train(model=model, start_counts=True, **kwargs)

    def test_is_kept_where_no_epoch_is_better(self):
        before, model, result = self.started(training=replace(TRAINING, learning_rate=1.0))
        assert max(report.metrics["val/mean_iou"] for report in result.history) < result.start.metrics["val/mean_iou"]
        assert (result.best_epoch, result.best) == (0, result.start)
        for old, new in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)

    def test_gives_way_to_a_better_epoch(self):
        model, first = train(training=replace(TRAINING, epochs=1, learning_rate=1e-6))
        _, result = train(model=model, start_counts=True)
        assert result.best_epoch > 0
        assert result.best.metrics["val/mean_iou"] > result.start.metrics["val/mean_iou"]
        assert result.start.metrics == {name: first.best.metrics[name] for name in result.start.metrics}

    @pytest.mark.parametrize("rate", [1.0, 1e-3])
    def test_is_remembered_over_an_interruption(self, rate, tmp_path):
        settings = replace(TRAINING, learning_rate=rate)
        _, model, whole = self.started(training=settings)
        path, (first, _) = tmp_path / "state.npz", train()

        def interrupt(report):
            if report.epoch == 2:
                raise Interruption

        common = {"training": settings, "start_counts": True, "checkpoint": path, "training_key": "key"}
        with pytest.raises(Interruption):
            train(model=first, on_epoch=interrupt, **common)
        resumed, result = train(**common)
        assert (result.resumed_from, result.best_epoch) == (2, whole.best_epoch)
        assert result.start.metrics == whole.start.metrics
        assert without_times(result.history) == without_times(whole.history)
        assert_same_weights(resumed, model)
