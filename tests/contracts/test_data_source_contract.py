"""What every data source keeps to."""

import numpy as np
import pytest

from segsweep.config.registration import SECTIONS
from segsweep.config.schema import NpzConfig, SyntheticParcelsConfig
from segsweep.data.dataset import IGNORE
from segsweep.data.sources import SOURCES, load_dataset


def synthetic_parcels(tmp_path):
    return SyntheticParcelsConfig(size=16, train_images=4, validation_images=2, test_images=3)


def npz(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (20, 16, 16)).astype(np.uint8)
    labels[:, 0] = 9
    np.savez(tmp_path / "all.npz", X=rng.random((20, 16, 16, 4)), Y=labels)
    return NpzConfig(train=str(tmp_path / "all.npz"), ignore_label=9)


CONFIGS = {"npz": npz, "synthetic_parcels": synthetic_parcels}


def test_every_source_is_tested_and_has_a_schema():
    assert CONFIGS.keys() == SOURCES.keys() == SECTIONS["data"].keys()


@pytest.mark.parametrize("name", CONFIGS)
class TestContract:
    @pytest.fixture
    def dataset(self, name, tmp_path):
        return load_dataset(CONFIGS[name](tmp_path))

    def test_names_fit_the_numbers(self, dataset, name):
        channels = dataset.train.image_shape[2]
        assert dataset.name == name
        assert len(dataset.classes) == len(set(dataset.classes)) == len(dataset.palette) >= 2
        assert len(dataset.bands) == channels == len(dataset.normalization.mean) == len(dataset.normalization.std)
        assert all(0 <= channel < channels for channel in dataset.rgb)

    def test_splits_read_images_and_labels(self, dataset):
        for split in (dataset.train, dataset.validation, dataset.test):
            images, labels = split.read(np.arange(len(split)))
            assert images.shape == (len(split), *split.image_shape)
            assert labels.shape == images.shape[:3]
            assert labels.dtype == np.uint8
            assert set(np.unique(labels)) <= {*range(len(dataset.classes)), IGNORE}
            one_image, one_label = split.read(np.array([1]))
            np.testing.assert_array_equal(one_image[0], images[1])
            np.testing.assert_array_equal(one_label[0], labels[1])

    def test_normalized_training_images_have_mean_0_and_spread_1(self, dataset):
        images = dataset.normalization.apply(dataset.train.read(np.arange(len(dataset.train)))[0])
        assert images.dtype == np.float32
        np.testing.assert_allclose(images.mean(axis=(0, 1, 2)), 0, atol=1e-3)
        np.testing.assert_allclose(images.std(axis=(0, 1, 2)), 1, atol=1e-3)

    def test_fingerprints_tell_splits_apart_and_come_again(self, dataset, name, tmp_path):
        splits = (dataset.train, dataset.validation, dataset.test)
        assert len({split.fingerprint for split in splits}) == 3
        load, config = SOURCES[name][1], CONFIGS[name](tmp_path)
        assert load(config).train.fingerprint == dataset.train.fingerprint
