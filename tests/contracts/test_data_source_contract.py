"""What every data source keeps to."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from segsweep.config.data_schema import (
    Cifar100Config,
    ClassFoldersConfig,
    DownloadedDataConfig,
    ImageFolderConfig,
    NpzConfig,
    OxfordPetsConfig,
    PatchConfig,
    SyntheticParcelsConfig,
    VocConfig,
)
from segsweep.config.registration import SECTIONS
from segsweep.data.dataset import IGNORE, survey_of
from segsweep.data.sources import SOURCES, load_dataset
from segsweep.data.view import NADIR, PICTURES, UPRIGHT, View


def synthetic_parcels(tmp_path):
    return SyntheticParcelsConfig(size=16, train_images=4, validation_images=2, test_images=3)


def npz(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (20, 16, 16)).astype(np.uint8)
    labels[:, 0] = 9
    np.savez(tmp_path / "all.npz", X=rng.random((20, 16, 16, 4)), Y=labels)
    return NpzConfig(train=str(tmp_path / "all.npz"), ignore_label=9)


def write_image(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def image_folder(tmp_path):
    rng = np.random.default_rng(0)
    for index in range(12):
        write_image(tmp_path / f"images/{index}.png", rng.integers(0, 256, (24, 40, 3)).astype(np.uint8))
        write_image(tmp_path / f"masks/{index}.png", rng.choice([0, 1, 9], (24, 40)).astype(np.uint8))
    return ImageFolderConfig(root=str(tmp_path), classes=["a", "b"], ignore_label=9, patch=PatchConfig(size=16))


def voc(tmp_path):
    rng = np.random.default_rng(0)
    root = tmp_path / "VOCdevkit" / "VOC2012"
    names = [f"2007_{index:06}" for index in range(12)]
    for index, name in enumerate(names):
        height, width = 30 + index, 40
        image = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
        write_image(root / "JPEGImages" / f"{name}.jpg", image)
        mask = rng.choice([0, 5, 255], (height, width)).astype(np.uint8)
        write_image(root / "SegmentationClass" / f"{name}.png", mask)
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("\n".join(names[:8]))
    (lists / "val.txt").write_text("\n".join(names[8:]))
    return VocConfig(root=str(tmp_path), size=[16, 32], target="foreground")


def oxford_pets(tmp_path):
    rng = np.random.default_rng(0)
    names = [f"Beagle_{index}" for index in range(12)]
    for name in names:
        write_image(tmp_path / "images" / f"{name}.jpg", rng.integers(0, 256, (30, 40, 3)).astype(np.uint8))
        trimap = rng.integers(1, 4, (30, 40)).astype(np.uint8)
        write_image(tmp_path / "annotations" / "trimaps" / f"{name}.png", trimap)
    (tmp_path / "annotations" / "trainval.txt").write_text("".join(f"{name} 1 2 1\n" for name in names[:8]))
    (tmp_path / "annotations" / "test.txt").write_text("#Image CLASS\n" + "".join(f"{n} 1 2 1\n" for n in names[8:]))
    return OxfordPetsConfig(root=str(tmp_path), size=[16, 16])


def cifar100(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("train", "test"):
        records = rng.integers(0, 256, (12, 3074)).astype(np.uint8)
        records[:, 0], records[:, 1] = np.arange(12) % 3, np.arange(12) % 3 * 5
        records.tofile(tmp_path / f"{name}.bin")
    (tmp_path / "fine_label_names.txt").write_text("".join(f"fine {index}\n" for index in range(100)))
    return Cifar100Config(root=str(tmp_path), size=[24, 16])


def class_folders(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog", "owl"):
        for index in range(12):
            write_image(tmp_path / name / f"{index}.png", rng.integers(0, 256, (24, 20, 3)).astype(np.uint8))
    return ClassFoldersConfig(root=str(tmp_path))


CONFIGS = {
    "cifar100": cifar100,
    "class_folders": class_folders,
    "image_folder": image_folder,
    "npz": npz,
    "oxford_pets": oxford_pets,
    "synthetic_parcels": synthetic_parcels,
    "voc": voc,
}
VIEWS = {
    "cifar100": UPRIGHT,
    "class_folders": PICTURES,
    "image_folder": PICTURES,
    "npz": PICTURES,
    "oxford_pets": UPRIGHT,
    "synthetic_parcels": NADIR,
    "voc": UPRIGHT,
}
"""From where each source's images were taken, as far as it knows."""


def test_every_source_is_tested_and_has_a_schema():
    assert CONFIGS.keys() == VIEWS.keys() == SOURCES.keys() == SECTIONS["data"].keys()


@pytest.mark.parametrize("name", CONFIGS)
class TestContract:
    @pytest.fixture
    def config(self, name, tmp_path):
        return CONFIGS[name](tmp_path)

    @pytest.fixture
    def dataset(self, config):
        return load_dataset(config)

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
            assert labels.shape == (len(split), *dataset.task.label_size(images.shape[1:3]))
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

    def test_surveys_know_what_is_read(self, dataset):
        for split in (dataset.train, dataset.validation, dataset.test):
            images, labels = split.read(np.arange(len(split)))
            known = survey_of(split)
            of_pixels = np.broadcast_to(labels, images.shape[:3])
            np.testing.assert_array_equal(known.counts.sum(axis=0), np.bincount(of_pixels.ravel(), minlength=256))
            np.testing.assert_allclose(known.moments()[0], images.mean(axis=(0, 1, 2), dtype=np.float64))
            np.testing.assert_allclose(known.moments()[1], images.std(axis=(0, 1, 2), dtype=np.float64))

    def test_fingerprints_tell_splits_apart_and_come_again(self, dataset, config, name):
        splits = (dataset.train, dataset.validation, dataset.test)
        assert len({split.fingerprint for split in splits}) == 3
        assert SOURCES[name][1](config).train.fingerprint == dataset.train.fingerprint

    def test_it_knows_from_where_its_images_were_taken(self, dataset, config, name):
        assert dataset.view == VIEWS[name]
        for view in ("nadir", "upright"):
            said = load_dataset(replace(config, view=view))
            assert said.view == View(view)
            # It says how images are used, and changes none.
            for role in ("train", "validation", "test"):
                assert getattr(said, role).fingerprint == getattr(dataset, role).fingerprint

    def test_a_stand_in_is_seen_from_where_such_data_are(self, config, name):
        if not isinstance(config, DownloadedDataConfig):
            pytest.skip("it needs no stand-in")
        # Its archives hold fields in 12 bands; its photographs in folders are of many sizes.
        expected = NADIR if name == "npz" else VIEWS[name]
        size = {"size": [32, 32]} if name == "class_folders" else {}
        assert load_dataset(replace(config, standin=True, **size)).view == expected
