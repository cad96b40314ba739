"""Normalizes images as the pretrained weights of an encoder expect. Imports no TensorFlow."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from segsweep.config.model_schema import EncoderModelConfig
from segsweep.config.schema import ModelConfig
from segsweep.data.dataset import Dataset, Normalization
from segsweep.models.encoders import IMAGENET_MEAN, IMAGENET_STD, encoder_of


def for_model(dataset: Dataset, config: ModelConfig) -> Dataset:
    """The data set with the normalization that the model needs, for training and for all that is made of it."""
    return replace(dataset, normalization=input_normalization(config, dataset))


def input_normalization(config: ModelConfig, dataset: Dataset) -> Normalization:
    """The data set's own normalization, unless the model starts from pretrained weights.

    Then, for three bands of uint8 that are red, green and blue, exactly what the weights were trained with. Other
    bands are brought to the mean and the deviation that ImageNet's have there: the bands in turn, red, green, blue.
    """
    encoder = encoder_of(config)
    if encoder is None or not isinstance(config, EncoderModelConfig) or config.weights is None:
        return dataset.normalization
    channels = dataset.train.image_shape[2]
    is_photo = not uses_own_statistics(config, dataset)
    colours = np.argsort(dataset.rgb) if is_colour(channels, dataset.rgb) else np.arange(channels) % 3
    mean, std = np.array(encoder.scaling.mean)[colours], np.array(encoder.scaling.std)[colours]
    if not is_photo:
        expected_mean = (np.array(IMAGENET_MEAN)[colours] * 255 - mean) / std
        expected_std = np.array(IMAGENET_STD)[colours] * 255 / std
        # (x - m) / s, times the expected deviation, plus the expected mean
        std = dataset.normalization.std / expected_std
        mean = dataset.normalization.mean - expected_mean * std
    unit = dataset.normalization.std / std
    return Normalization(mean.astype(np.float32), std.astype(np.float32), unit.astype(np.float32))


def uses_own_statistics(config: ModelConfig, dataset: Dataset) -> bool:
    """Whether what the model is given depends on the data set's own normalization."""
    if not isinstance(config, EncoderModelConfig) or config.weights is None:
        return True
    is_rgb = is_colour(dataset.train.image_shape[2], dataset.rgb)
    return not is_rgb or dataset.stored_dtype != "uint8"


def is_colour(channels: int, rgb: Sequence[int]) -> bool:
    """Whether an image's bands are red, green and blue in some order, and nothing else."""
    return channels == 3 and sorted(rgb) == [0, 1, 2]
