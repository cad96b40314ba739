"""Which images are independent of each other: by group, by place, by equality."""

import numpy as np
import pytest

from segsweep.config.data_schema import ImageFolderConfig, NpzConfig, PatchConfig
from segsweep.data.dataset import ArraySplit, SourceImages, sources_of
from segsweep.data.independent_groups import independent_groups, mask_keys
from segsweep.data.npz import load
from segsweep.data.sources import load_dataset


def split_of(masks: np.ndarray, groups: np.ndarray | None = None) -> ArraySplit:
    images = np.random.default_rng(0).random((len(masks), 8, 8, 3))
    sources = None if groups is None else SourceImages(np.arange(len(masks)), groups)
    return ArraySplit(images, masks.astype(np.uint8), sources)


def masks_of(count: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 2, (count, 8, 8))


def test_different_images_are_independent():
    np.testing.assert_array_equal(independent_groups(split_of(masks_of(5))), np.arange(5))


def test_images_with_equal_masks_show_one_place():
    masks = masks_of(5)
    masks[3] = masks[1]
    np.testing.assert_array_equal(independent_groups(split_of(masks)), [0, 1, 2, 1, 3])


def test_masks_of_a_single_class_tell_nothing():
    masks = masks_of(5)
    masks[[1, 3]] = 0
    masks[[2, 4]] = 255
    np.testing.assert_array_equal(independent_groups(split_of(masks)), np.arange(5))


def test_equal_images_belong_together():
    split = split_of(masks_of(4))
    split.images[2] = split.images[0]
    np.testing.assert_array_equal(independent_groups(split), [0, 1, 0, 2])


def test_the_larger_of_nested_groups_counts():
    masks = masks_of(6)
    masks[5] = masks[0]
    groups = np.array([7, 7, 3, 3, 9, 9])
    # 0 and 1 are of one group, 4 and 5 too, and 0 and 5 show one place.
    np.testing.assert_array_equal(independent_groups(split_of(masks, groups)), [0, 0, 1, 1, 0, 0])


def test_patches_belong_to_their_image_and_images_to_their_group(tmp_path):
    rng = np.random.default_rng(0)
    for part, count in (("train", 6), ("test", 4)):
        images, masks = rng.random((count, 12, 16, 3)), rng.integers(0, 2, (count, 12, 16))
        place = np.array(["a", "b", "a", "c", "d", "e"][:count])
        np.savez(tmp_path / f"{part}.npz", X=images, Y=masks, place=np.char.add(part, place))
    config = {"train": str(tmp_path / "train.npz"), "test": str(tmp_path / "test.npz"), "patch": PatchConfig(size=8)}
    plain = load(NpzConfig(**config)).test
    np.testing.assert_array_equal(sources_of(plain).of_item, np.repeat(np.arange(4), 4))
    np.testing.assert_array_equal(independent_groups(plain), np.arange(4))
    grouped = load(NpzConfig(**config, groups="place")).test
    np.testing.assert_array_equal(independent_groups(grouped), [0, 1, 0, 2])
    assert plain.fingerprint == grouped.fingerprint


@pytest.mark.parametrize("patch", [PatchConfig(), PatchConfig(size=8)])
def test_images_of_one_place_with_other_holes_are_one_group(tmp_path, patch):
    """Each date has its own clouds: what is left of the labels differs, the mask does not."""
    rng = np.random.default_rng(0)
    masks = rng.integers(0, 2, (8, 12, 16))
    masks[[1, 2]] = masks[0]
    images = rng.random((8, 12, 16, 3))
    for image, column in ((1, 3), (2, 8)):
        images[image, :, column:] = np.nan
    np.savez(tmp_path / "train.npz", X=rng.random((6, 12, 16, 3)), Y=rng.integers(0, 2, (6, 12, 16)))
    np.savez(tmp_path / "test.npz", X=images, Y=masks)
    test = load(NpzConfig(train=str(tmp_path / "train.npz"), test=str(tmp_path / "test.npz"), patch=patch)).test
    np.testing.assert_array_equal(independent_groups(test), [0, 0, 0, 1, 2, 3, 4, 5])


def test_rasters_of_one_place_with_other_holes_are_one_group(tmp_path):
    rasterio = pytest.importorskip("rasterio")
    rng = np.random.default_rng(0)
    place = rng.integers(0, 2, (8, 8))
    for number in range(12):
        bands = rng.integers(1, 255, (3, 8, 8))
        bands[:, :, : number % 4] = 0
        for kind, values in (("images", bands), ("masks", (place if number % 2 else rng.integers(0, 2, (8, 8)))[None])):
            path = tmp_path / kind / f"{number}.tif"
            path.parent.mkdir(exist_ok=True)
            nodata = 0 if kind == "images" else None
            profile = {"driver": "GTiff", "height": 8, "width": 8, "dtype": "uint8", "nodata": nodata}
            with rasterio.open(path, "w", count=len(values), **profile) as file:
                file.write(values.astype(np.uint8))
    config = ImageFolderConfig(
        root=str(tmp_path), images="images/*.tif", masks="masks/*.tif", classes=["a", "b"], test_fraction=0.5
    )
    test = load_dataset(config).test
    same = np.array([int(test.pairs[pair].image.stem) % 2 for pair in test.source], bool)
    groups = independent_groups(test)
    assert same.sum() > 1
    assert len(np.unique(groups[same])) == 1
    assert len(np.unique(groups)) == 1 + (~same).sum()


def test_a_hole_in_one_split_alone_hides_no_place(tmp_path):
    rng = np.random.default_rng(0)
    masks, tested = rng.integers(0, 2, (40, 12, 16)), rng.integers(0, 2, (8, 12, 16))
    tested[:3] = masks[0]
    images = rng.random((8, 12, 16, 3))
    images[1, :, 3:] = np.nan
    np.savez(tmp_path / "train.npz", X=rng.random((40, 12, 16, 3)), Y=masks)
    np.savez(tmp_path / "test.npz", X=images, Y=tested)
    dataset = load(NpzConfig(train=str(tmp_path / "train.npz"), test=str(tmp_path / "test.npz")))
    known = frozenset().union(*mask_keys(dataset.train), *mask_keys(dataset.validation))
    assert [not known.isdisjoint(keys) for keys in mask_keys(dataset.test)] == [True] * 3 + [False] * 5
