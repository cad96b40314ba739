"""Learning from a teacher's logits, against scipy, Keras and steps computed by hand."""

from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from scipy.special import rel_entr, softmax
from test_trainer import assert_same_weights, tiny_model, train, train_interrupted, without_times
from tiny_training import LOSS, MODEL, SIZE, TRAINING, dataset, split

from segsweep.config.training_schema import AugmentationConfig, FineTuningConfig
from segsweep.data.batches import taught_batches, training_batches
from segsweep.data.dataset import IGNORE, ArraySplit, Normalization
from segsweep.models.table import build_model
from segsweep.runs.teachers import rescaling_between
from segsweep.training.losses import build_loss
from segsweep.training.precision import building
from segsweep.training.steps import TrainStep
from segsweep.training.teacher import Rescaling, Teacher, divergence


def logits(seed: int, classes: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 3, (2, 4, 5, classes)).astype(np.float32)


def teacher(**settings) -> Teacher:
    return Teacher(build_model(replace(MODEL, width=4), (*SIZE, 3), 2, seed=9), **{"weight": 1.0, **settings})


UNLABELLED = replace(dataset(), unlabelled=split(7, seed=4, ignored=1.0))


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_divergence_is_that_of_scipy_and_of_keras(temperature):
    taught, found = logits(0), logits(1)
    seen = np.random.default_rng(2).random((2, 4, 5)) < 0.6
    expected, ours = softmax(taught / temperature, -1), softmax(found / temperature, -1)
    by_pixel = rel_entr(expected, ours).sum(-1)
    value = float(divergence(taught, found, seen, temperature))
    assert value == pytest.approx(temperature**2 * by_pixel[seen].mean(), rel=1e-5)
    keras_value = keras.losses.KLDivergence()(expected, ours, sample_weight=seen.astype(np.float32))
    assert value == pytest.approx(temperature**2 * float(keras_value) * seen.size / seen.sum(), rel=1e-4)
    assert float(divergence(taught, taught, seen, temperature)) == pytest.approx(0, abs=1e-6)
    assert float(divergence(taught, found, np.zeros_like(seen), temperature)) == 0


def linear(seed: int) -> keras.Model:
    layer = keras.layers.Conv2D(3, 1, use_bias=False, kernel_initializer=keras.initializers.RandomNormal(seed=seed))
    return keras.Sequential([keras.Input((2, 2, 4)), layer])


def test_a_step_is_that_of_the_gradient_by_hand():
    """Of a pixel-wise linear network: the cross-entropy's gradient, and T * weight * (q - p) of the softened ones."""
    random = np.random.default_rng(0)
    images = random.normal(0, 1, (3, 2, 2, 4)).astype(np.float32)
    labels = random.integers(0, 3, (3, 2, 2)).astype(np.uint8)
    labels[0, 0] = IGNORE
    seen = np.ones(labels.shape, bool)
    seen[1, 1] = False
    model, wise = linear(1), linear(2)
    kernel, theirs = (each.get_weights()[0][0, 0] for each in (model, wise))
    weight, temperature, rate = 0.7, 3.0, 0.1
    step = TrainStep(
        model, keras.optimizers.SGD(), build_loss(LOSS, classes=3), teacher=Teacher(wise, weight, temperature)
    )
    step(images, labels, rate, seen)

    flat, truth, counted = images.reshape(-1, 4), labels.reshape(-1), labels.reshape(-1) != IGNORE
    hard = (softmax(flat @ kernel, -1)[counted] - np.eye(3)[truth[counted]]) / counted.sum()
    soft = softmax(flat @ kernel / temperature, -1) - softmax(flat @ theirs / temperature, -1)
    soft = temperature * soft[seen.reshape(-1)] / seen.sum()
    gradient = flat[counted].T @ hard + weight * flat[seen.reshape(-1)].T @ soft
    np.testing.assert_allclose(model.get_weights()[0][0, 0], kernel - rate * gradient, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(wise.get_weights()[0][0, 0], theirs)
    metrics = step.metrics()
    taught = divergence(wise(images), (flat @ kernel).reshape(3, 2, 2, 3), seen, temperature)
    assert metrics["train/divergence"] == pytest.approx(float(taught), rel=1e-4)
    untaught = build_loss(LOSS, classes=3)(tf.constant((flat @ kernel).reshape(3, 2, 2, 3)), tf.constant(labels))
    assert metrics["train/loss"] == pytest.approx(float(untaught), rel=1e-5)


@pytest.mark.parametrize("data", [dataset(), UNLABELLED], ids=["labelled", "unlabelled"])
def test_a_taught_training_that_was_interrupted_ends_with_the_same_weights(tmp_path, data):
    settings = replace(TRAINING, fine_tuning=FineTuningConfig(epochs=2))
    expected, whole = train(data=data, training=settings, teacher=teacher())
    model, result = train_interrupted(tmp_path / "state.npz", after=2, data=data, training=settings, teacher=teacher())
    assert result.resumed_from == 2
    assert_same_weights(model, expected)
    assert without_times(result.history) == without_times(whole.history)
    assert not np.array_equal(train(data=data, training=settings)[0].get_weights()[0], expected.get_weights()[0])


def test_the_teacher_stays_as_it_is_and_out_of_the_checkpoint(tmp_path):
    of, plain = teacher(), tiny_model()
    before = [each.copy() for each in of.model.get_weights()]
    model, _ = train(teacher=of, checkpoint=tmp_path / "state.npz", training_key="key")
    for old, new in zip(before, of.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert [each.name for each in model.weights] == [each.name for each in plain.weights]
    with np.load(tmp_path / "state.npz") as file:
        assert file["weights"].nbytes == sum(each.nbytes for each in plain.get_weights())


def test_with_xla_the_weights_are_nearly_the_same():
    settings = replace(TRAINING, epochs=1, optimizer="sgd")
    plain, compiled = (train(training=replace(settings, xla=xla), teacher=teacher())[0] for xla in (False, True))
    for one, two in zip(plain.get_weights(), compiled.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-4)


def batches(data=UNLABELLED, make=taught_batches, epoch=3, augmentation=TRAINING.augmentation, size=SIZE):
    more = {"unlabelled": data.unlabelled} if make is taught_batches else {}
    settings = {"size": size, "batch_size": 4, "augmentation": augmentation, "seed": 5, "epoch": epoch}
    return list(make(data.train, data.normalization, **settings, **more))


def test_labelled_images_come_as_they_do_without_a_teacher():
    for (images, labels, seen), (expected, truth) in zip(batches(), batches(make=training_batches), strict=True):
        np.testing.assert_array_equal(images[: len(expected)], expected)
        np.testing.assert_array_equal(labels[: len(expected)], truth)
        assert (labels[len(expected) :] == IGNORE).all()
        assert images.shape[:3] == labels.shape == seen.shape


def test_unlabelled_images_are_spread_over_the_epoch_each_once():
    plain = AugmentationConfig(flips=False, turns=False)
    marked = ArraySplit(np.full((7, 16, 16, 3), np.arange(7)[:, None, None, None]), np.full((7, 16, 16), IGNORE, "u1"))
    still = Normalization(np.zeros(3, np.float32), np.ones(3, np.float32))
    labelled = split(10, seed=0, height=16)

    def drawn(epoch: int, unlabelled: ArraySplit) -> list[list[int]]:
        data = replace(dataset(train=labelled), unlabelled=unlabelled, normalization=still)
        sizes = [4, 4, 2]
        made = batches(data, epoch=epoch, augmentation=plain)
        return [images[size:, 0, 0, 0].astype(int).tolist() for (images, *_), size in zip(made, sizes, strict=True)]

    first = drawn(1, marked)
    assert [len(each) for each in first] == [3, 2, 2]
    assert sorted(chain(*first)) == list(range(7))
    assert first == drawn(1, marked) != drawn(2, marked)
    many = ArraySplit(np.full((50, 16, 16, 3), np.arange(50)[:, None, None, None]), np.full((50, 16, 16), IGNORE, "u1"))
    taken = [set(chain(*drawn(epoch, many))) for epoch in (1, 2)]
    assert [len(each) for each in taken] == [10, 10]
    assert taken[0] != taken[1]


def test_padding_and_pixels_without_data_are_not_seen():
    images = np.ones((2, 12, 16, 3), np.float32)
    images[0, 2, 3] = np.nan
    images[1, 4, 5, 0] = np.nan
    data = replace(dataset(train=ArraySplit(images, np.zeros((2, 12, 16), np.uint8))), unlabelled=None)
    plain = AugmentationConfig(flips=False, turns=False)
    ((_, _, seen),) = batches(data, augmentation=plain)
    assert seen[:, 12:].sum() == 0
    assert seen[:, :12].sum() == 2 * 12 * 16 - 1, "what some bands show is seen"
    # Padding is below, and lies elsewhere once an image is turned.
    ((_, _, turned),) = batches(data, augmentation=AugmentationConfig(flips=True, turns=True))
    assert turned.sum() == seen.sum()
    ((_, labels, outside),) = batches(data, augmentation=replace(plain, scale=[0.5, 0.5]))
    np.testing.assert_array_equal(outside, labels != IGNORE)


def test_images_are_rescaled_to_what_the_teacher_was_trained_with():
    random = np.random.default_rng(0)
    ours, theirs = (
        Normalization(random.random(3).astype(np.float32), 1 + random.random(3).astype(np.float32)) for _ in range(2)
    )

    class Metadata:
        mean, std = theirs.mean.tolist(), theirs.std.tolist()

    found = rescaling_between(ours, Metadata)
    assert isinstance(found, Rescaling)
    images = random.random((1, *SIZE, 3)).astype(np.float32)
    one = teacher(rescaling=found)
    np.testing.assert_allclose(
        one.logits(ours.apply(images)), one.model(theirs.apply(images), training=False), atol=1e-5
    )
    Metadata.mean, Metadata.std = ours.mean.tolist(), ours.std.tolist()
    assert rescaling_between(ours, Metadata) is None


def test_in_mixed_precision_the_teacher_computes_in_float32():
    settings = replace(TRAINING, epochs=2)
    with building(True):
        mixed = tiny_model()
    of = teacher()
    assert of.model.get_layer("enc0_conv").compute_dtype == "float32"
    _, found = train(mixed, training=replace(settings, mixed_precision=True), teacher=of)
    _, plain = train(training=settings, teacher=teacher())
    for one, other in zip(found.history, plain.history, strict=True):
        assert one.metrics["train/divergence"] == pytest.approx(other.metrics["train/divergence"], rel=0.05)
