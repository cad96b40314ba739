"""The embedded data is a problem worth a network, and quantization costs something on it."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from sklearn.linear_model import LogisticRegression

from segsweep.config.data_schema import SyntheticParcelsConfig
from segsweep.config.schema import LossConfig, StridedUnetConfig
from segsweep.config.training_schema import AugmentationConfig, TrainingConfig
from segsweep.data.dataset import ArraySplit, Dataset
from segsweep.data.normalization import fit_normalization
from segsweep.data.sources import load_dataset
from segsweep.evaluation.bootstrap import accuracies, paired_interval
from segsweep.evaluation.evaluator import Evaluation, evaluate
from segsweep.models.table import build_model
from segsweep.quantization.post_training import calibrate, quantize
from segsweep.quantization.variants import VARIANTS
from segsweep.tflite.conversion import convert_float
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.training.predictor import KerasPredictor
from segsweep.training.trainer import fit

pytestmark = pytest.mark.slow

BLOCK = 4
"""Height and width, in pixels, of the neighbourhoods that are shuffled."""


def shuffled(split: ArraySplit, seed: int) -> ArraySplit:
    """Pixels change places within blocks, each with its label: colours stay, texture and outlines go."""
    images, labels = split.read(np.arange(len(split)))
    stacked = np.concatenate([images, labels[..., None]], axis=-1)
    count, height, width, channels = stacked.shape
    blocks = stacked.reshape(count, height // BLOCK, BLOCK, width // BLOCK, BLOCK, channels)
    blocks = blocks.transpose(0, 1, 3, 2, 4, 5).reshape(-1, BLOCK * BLOCK, channels)
    order = np.random.default_rng(seed).random(blocks.shape[:2]).argsort(axis=1)
    blocks = np.take_along_axis(blocks, order[..., None], axis=1)
    blocks = blocks.reshape(count, height // BLOCK, width // BLOCK, BLOCK, BLOCK, channels)
    stacked = blocks.transpose(0, 1, 3, 2, 4, 5).reshape(count, height, width, channels)
    return ArraySplit(stacked[..., :-1], stacked[..., -1].astype(np.uint8))


def trained(dataset: Dataset) -> keras.Model:
    """The quickstart's network of width 8 at its best learning rate."""
    model = build_model(StridedUnetConfig(width=8), dataset.train.image_shape, 2, seed=0)
    training = TrainingConfig(learning_rate=0.01, augmentation=AugmentationConfig(flips=True, turns=True))
    fit(model, dataset, training=training, loss=LossConfig(name="cross_entropy"), size=(64, 64), seed=0)
    return model


def scored(model, dataset: Dataset) -> Evaluation:
    return evaluate(model, dataset.test, dataset.normalization, 2)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load_dataset(SyntheticParcelsConfig())


@pytest.fixture(scope="module")
def model(dataset) -> keras.Model:
    return trained(dataset)


@pytest.fixture(scope="module")
def float_file(model) -> bytes:
    return convert_float(model)


def test_the_network_is_far_above_a_linear_classifier_of_pixels(dataset, model):
    def pixels(split):
        images, labels = split.read(np.arange(len(split)))
        return dataset.normalization.apply(images).reshape(-1, 12), labels.ravel()

    linear = LogisticRegression(max_iter=200).fit(*pixels(dataset.train)).score(*pixels(dataset.test))
    network = scored(KerasPredictor(model), dataset).scores.accuracy
    assert network >= 0.88
    assert network - linear >= 0.12


def test_texture_and_context_matter(dataset, model):
    splits = {role: shuffled(getattr(dataset, role), seed) for seed, role in enumerate(("train", "validation", "test"))}
    scrambled = replace(dataset, **splits, normalization=fit_normalization(splits["train"]))
    with_texture = scored(KerasPredictor(model), dataset).scores.accuracy
    without = scored(KerasPredictor(trained(scrambled)), scrambled).scores.accuracy
    assert with_texture - without >= 0.02


def test_int8_loses_more_than_noise_but_not_the_model(dataset, float_file):
    images = dataset.normalization.apply(dataset.train.read(np.arange(64))[0])
    file = quantize(float_file, VARIANTS["int8"], calibrate(float_file, images))
    interval = paired_interval(
        scored(TFLiteModel(file), dataset).counts, scored(TFLiteModel(float_file), dataset).counts, accuracies
    )
    assert interval.high < 0
    assert interval.difference > -0.03


def test_the_file_and_keras_and_keras_own_evaluate_agree(dataset, model, float_file):
    ours, file = scored(KerasPredictor(model), dataset), scored(TFLiteModel(float_file), dataset)
    assert np.mean(ours.predictions == file.predictions) >= 0.9999
    images, labels = dataset.test.read(np.arange(len(dataset.test)))
    model.compile(metrics=["accuracy"], loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    _, accuracy = model.evaluate(dataset.normalization.apply(images), tf.constant(labels), verbose=0)
    assert ours.scores.accuracy == pytest.approx(accuracy, abs=1e-5)
