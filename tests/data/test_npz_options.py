"""What archives have in common with folders: bands, merging, patches, normalization."""

import numpy as np
import pytest

from segsweep.config.data_schema import NpzConfig, PatchConfig
from segsweep.data.dataset import IGNORE, ArraySplit
from segsweep.data.fitting import Patches
from segsweep.data.patch_split import PatchSplit
from segsweep.data.sources import load_dataset, remarks
from segsweep.errors import ConfigError, DataError


@pytest.fixture
def arrays(tmp_path):
    rng = np.random.default_rng(0)
    found = {"X": rng.random((10, 20, 24, 5)), "Y": rng.integers(0, 4, (10, 20, 24))}
    np.savez(tmp_path / "a.npz", **found)
    return found


def load(tmp_path, **settings):
    return load_dataset(NpzConfig(train=str(tmp_path / "a.npz"), classes=list("abcd"), **settings))


def everything(dataset):
    parts = [split.read(np.arange(len(split))) for split in (dataset.train, dataset.validation, dataset.test)]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def test_bands_are_chosen(tmp_path, arrays):
    dataset = load(tmp_path, channels=[4, 1])
    assert dataset.bands == ("band_4", "band_1")
    assert sorted(everything(dataset)[0][:, 0, 0, 0]) == sorted(arrays["X"][:, 0, 0, 4])
    with pytest.raises(DataError, match=r"data\.channels: \[5\] must be bands from 0 to 4"):
        load(tmp_path, channels=[5])


def test_classes_are_merged_and_ignored(tmp_path, arrays):
    dataset = load(tmp_path, merge={"bc": ["b", "c"]}, ignore=["d"])
    assert dataset.classes == ("a", "bc")
    counts = np.bincount(everything(dataset)[1].ravel(), minlength=256)
    of = np.bincount(arrays["Y"].ravel())
    assert (counts[0], counts[1], counts[IGNORE]) == (of[0], of[1] + of[2], of[3])
    with pytest.raises(ConfigError, match=r"data\.merge: x is made of z"):
        load(tmp_path, merge={"x": ["z"]})


def test_images_are_cut_and_their_patches_stay_together(tmp_path, arrays):
    dataset = load(tmp_path, patch=PatchConfig(size=16, stride=8))
    images, labels = everything(dataset)
    assert images.shape == (40, 16, 16, 5)
    whole = {image[:16, :16].tobytes(): index for index, image in enumerate(arrays["X"])}
    for start in range(0, 40, 4):
        index = whole[images[start].tobytes()]
        for offset, (row, column) in enumerate([(0, 0), (0, 8), (4, 0), (4, 8)]):
            expected = arrays["Y"][index, row : row + 16, column : column + 16]
            label = labels[start + offset]
            counted = label != IGNORE
            np.testing.assert_array_equal(label[counted], expected[counted])
    for split in (dataset.validation, dataset.test):
        counted = split.read(np.arange(len(split)))[1] != IGNORE
        assert np.count_nonzero(counted) == len(split.images) * 20 * 24, "each pixel counts once"
        np.testing.assert_array_equal(split.sources.of_item, np.repeat(np.arange(len(split.images)), 4))
    assert (dataset.train.read(np.arange(len(dataset.train)))[1] != IGNORE).all()


def test_percentiles_follow_numpy(tmp_path, arrays):
    normalization = load(tmp_path, normalize="percentile").normalization
    np.testing.assert_allclose(normalization.mean, 0.5, atol=0.06)
    np.testing.assert_allclose(normalization.std, 0.48, atol=0.04)


def test_a_class_that_a_split_lacks_is_said(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (10, 8, 8))
    labels[0] = 2
    np.savez(tmp_path / "a.npz", X=rng.random((10, 8, 8, 3)), Y=labels)
    said = remarks(load(tmp_path))
    assert sum("in no mask" in each for each in said) == 3
    assert sum("c, d: in no mask" in each for each in said) == 2
    assert sum(each.startswith("d: in no mask") for each in said) == 1


def test_overlapping_patches_are_cut_when_they_are_read():
    images = np.random.default_rng(0).integers(0, 999, (5, 40, 36, 2)).astype(np.uint16)
    labels = np.random.default_rng(1).integers(0, 3, (5, 40, 36)).astype(np.uint8)
    patches = Patches(16, 4)
    split = PatchSplit(images, labels, patches)
    corners = [(r, c) for r in range(0, 25, 4) for c in range(0, 21, 4)]
    cut = [np.stack([a[r : r + 16, c : c + 16] for a in each for r, c in corners]) for each in (images, labels)]
    whole = ArraySplit(*cut)
    rows = np.array([3, len(whole) - 1, 0, 3])
    for found, expected in zip(split.read(rows), whole.read(rows), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert (len(split), split.image_shape) == (len(whole), whole.image_shape)
    assert split.fingerprint == whole.fingerprint
    for name, array in split.survey.arrays().items():
        np.testing.assert_array_equal(array, whole.survey.arrays()[name])


def test_patches_take_no_memory_of_their_own(tmp_path):
    labels = np.random.default_rng(1).integers(0, 2, (10, 64, 64)).astype(np.uint8)
    images = np.random.default_rng(0).integers(0, 999, (10, 64, 64, 4)).astype(np.uint16)
    np.savez(tmp_path / "all.npz", X=images, Y=labels)
    config = NpzConfig(train=str(tmp_path / "all.npz"), patch=PatchConfig(size=32, stride=4))
    dataset = load_dataset(config)
    held = sum(split.images.nbytes for split in (dataset.train, dataset.validation, dataset.test))
    assert held == images.nbytes
    assert len(dataset.train) == 81 * len(dataset.train.images)


def test_unlabelled_images_are_read_when_they_are_asked_for(tmp_path, arrays):
    path = tmp_path / "more.npz"
    more = np.random.default_rng(1).random((3, 20, 24, 5))
    np.savez(path, X=more)
    dataset = load(tmp_path, unlabelled=str(path), channels=[4, 1])
    images, labels = dataset.unlabelled.read(np.arange(3))
    np.testing.assert_array_equal(images, more[..., [4, 1]])
    assert labels.shape == (3, 20, 24)
    assert (labels == IGNORE).all()
    assert len(dataset.train) + len(dataset.validation) + len(dataset.test) == 10
    assert load(tmp_path).unlabelled is None

    cut = load(tmp_path, unlabelled=str(path), patch=PatchConfig(size=16, stride=8))
    assert cut.unlabelled.image_shape == cut.train.image_shape
    assert len(cut.unlabelled) == 12

    np.savez(path, X=more[..., :4])
    with pytest.raises(DataError, match=r"more\.npz: X has 4 bands where .*a\.npz has 5; the unlabelled images need"):
        len(load(tmp_path, unlabelled=str(path)).unlabelled)
    with pytest.raises(DataError, match=r"no\.npz: no such file; give the path of an \.npz archive with an array X"):
        load(tmp_path, unlabelled=str(tmp_path / "no.npz"))
