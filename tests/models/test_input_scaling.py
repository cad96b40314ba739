"""Images come to a pretrained encoder as Keras's own preprocessing would bring them."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from segsweep.config.model_schema import BackboneUnetConfig, UnetConfig
from segsweep.config.training_schema import AugmentationConfig
from segsweep.data.batches import training_batches
from segsweep.data.dataset import ArraySplit, Dataset, Normalization
from segsweep.data.normalization import fit_normalization
from segsweep.models.encoders import ENCODERS
from segsweep.models.input_scaling import input_normalization

PRETRAINED = BackboneUnetConfig(weights="imagenet")
PREPROCESSING = {
    "vgg16": "caffe",
    "resnet50": "caffe",
    "mobilenet_v2": "tf",
    "mobilenet_v3_small": "tf",
    "efficientnet_b0": "torch",
    "efficientnet_v2_b0": "torch",
}
"""Keras's names of what its models of each family expect (`keras.applications.imagenet_utils.preprocess_input`)."""


def dataset(images: np.ndarray, rgb: tuple[int, int, int] = (0, 1, 2)) -> Dataset:
    split = ArraySplit(images, np.zeros(images.shape[:3], np.uint8))
    names = tuple(f"band_{number}" for number in range(images.shape[-1]))
    return Dataset(
        "data", ("a", "b"), ((0, 0, 0), (9, 9, 9)), names, rgb, split, split, split, fit_normalization(split)
    )


def pixels(channels: int, dtype: type, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, (4, 8, 8, channels)).astype(dtype)


@pytest.mark.parametrize(("encoder", "mode"), PREPROCESSING.items())
def test_colour_photos_are_scaled_as_keras_scales_them(encoder: str, mode: str) -> None:
    from tf_keras.applications.imagenet_utils import preprocess_input

    images = pixels(3, np.uint8)
    expected = preprocess_input(images.astype(np.float32), mode=mode)
    if mode == "caffe":
        expected = expected[..., ::-1]  # the kernel is turned instead
    config = replace(PRETRAINED, encoder=encoder)
    scaled = input_normalization(config, dataset(images)).apply(images)
    np.testing.assert_allclose(scaled, expected, atol=1e-4 * np.abs(expected).max())
    # Stored blue, green, red.
    turned = input_normalization(config, dataset(images[..., ::-1], (2, 1, 0))).apply(images[..., ::-1])
    np.testing.assert_allclose(turned[..., ::-1], expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("encoder", PREPROCESSING)
def test_other_bands_get_the_mean_and_deviation_of_imagenet(encoder: str) -> None:
    images = pixels(5, np.uint16) * np.array([1, 2, 3, 4, 5], np.uint16) + 100
    config = replace(PRETRAINED, encoder=encoder)
    scaled = input_normalization(config, dataset(images)).apply(images)
    scaling = ENCODERS[encoder].scaling
    for band in range(5):
        mean, std = scaling.mean[band % 3], scaling.std[band % 3]
        imagenet_mean, imagenet_std = (0.485, 0.456, 0.406)[band % 3], (0.229, 0.224, 0.225)[band % 3]
        assert scaled[..., band].mean() == pytest.approx((255 * imagenet_mean - mean) / std, abs=2e-3 * 255 / std)
        assert scaled[..., band].std() == pytest.approx(255 * imagenet_std / std, rel=1e-3)


def test_colours_that_are_no_bytes_are_scaled_by_their_own_statistics() -> None:
    images = pixels(3, np.float32) / 200
    scaled = input_normalization(replace(PRETRAINED, encoder="efficientnet_b0"), dataset(images)).apply(images)
    np.testing.assert_allclose(scaled.mean((0, 1, 2)), 0, atol=1e-3)
    np.testing.assert_allclose(scaled.std((0, 1, 2)), 1, rtol=1e-3)


@pytest.mark.parametrize("config", [UnetConfig(), BackboneUnetConfig()])
def test_without_pretrained_weights_the_data_sets_own_normalization_stays(config: UnetConfig) -> None:
    data = dataset(pixels(3, np.uint8))
    assert input_normalization(config, data) is data.normalization


@pytest.mark.parametrize("encoder", ["resnet50", "mobilenet_v2"])
@pytest.mark.parametrize(("channels", "kind"), [(3, np.uint8), (5, np.uint16)])
def test_brightness_and_noise_are_in_deviations_of_the_images(encoder: str, channels: int, kind: type) -> None:
    data = dataset(pixels(channels, kind))
    own = data.normalization
    normalization = input_normalization(replace(PRETRAINED, encoder=encoder), data)

    def change(normalization: Normalization, **settings: float) -> np.ndarray:
        batches = (
            training_batches(
                data.train, normalization, size=(8, 8), batch_size=4, seed=0, epoch=1,
                augmentation=AugmentationConfig(flips=True, turns=True, **each),
            )
            for each in (settings, {})
        )  # fmt: skip
        ((changed, _), (before, _)) = (next(each) for each in batches)
        return (changed - before) * normalization.std  # in units of the data

    for settings in ({"brightness": 0.5}, {"noise": 0.5}):
        expected = change(own, **settings)
        assert np.abs(expected).max() > 1
        np.testing.assert_allclose(change(normalization, **settings), expected, atol=1e-2)


def test_it_needs_no_tensorflow() -> None:
    modules = "segsweep.models.input_scaling, segsweep.models.weights_files, segsweep.models.encoders"
    code = f"import sys, {modules}; sys.exit('tensorflow' in sys.modules or 'tf_keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
