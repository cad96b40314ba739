"""Folders of images and masks: what is read."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image
from saved_folders import COLOURS, everything, ids, load, picture, save

from segsweep.config.data_schema import PatchConfig
from segsweep.data.dataset import IGNORE
from segsweep.data.image_files import read_image
from segsweep.errors import DataError


def test_every_pair_is_read_once_and_as_it_was_saved(folder):
    images, labels = everything(load(folder))
    found = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    assert len(found) == 10
    for index in range(10):
        np.testing.assert_array_equal(found[picture(index).tobytes()], ids(index))


def test_patches_tile_their_images_and_stay_together(folder):
    dataset = load(folder, patch=PatchConfig(size=16, stride=8))
    whole = {picture(index)[:16, :16].tobytes(): index for index in range(10)}
    sides = []
    for split in (dataset.train, dataset.validation, dataset.test):
        images, labels = split.read(np.arange(len(split)))
        assert len(split) % 6 == 0
        for start in range(0, len(split), 6):
            index = whole[images[start].tobytes()]
            sides.append(index)
            corners = [(r, c) for r in (0, 8) for c in (0, 8, 16)]
            for (row, column), image, label in zip(corners, images[start:], labels[start:], strict=False):
                np.testing.assert_array_equal(image, picture(index)[row : row + 16, column : column + 16])
                truth = ids(index)[row : row + 16, column : column + 16]
                counted = label != IGNORE
                np.testing.assert_array_equal(label[counted], truth[counted])
                # Patches overlap here: in validation and test each pixel counts in one of them alone.
                assert counted.all() == (split is dataset.train)
            counted = sum(np.count_nonzero(label != IGNORE) for label in labels[start : start + 6])
            assert counted == (6 * 16 * 16 if split is dataset.train else 24 * 32)
    assert sorted(sides) == list(range(10))


def test_colours_become_classes_and_ignored_ones_count_nowhere(tmp_path):
    for index in range(6):
        save(tmp_path / f"{index}_sat.jpg", picture(index))
        mask = np.full((24, 32, 3), (0xE2, 0xA9, 0x29), np.uint8)
        mask[:4] = (0x6E, 0xC1, 0xE4)
        mask[4:6] = 0
        save(tmp_path / f"{index}_mask.png", mask)
    dataset = load(tmp_path, images="*_sat.jpg", masks="*_mask.png", palette=COLOURS, ignore=["void"])
    assert dataset.classes == ("road", "water")
    assert dataset.palette == ((0x6E, 0xC1, 0xE4), (0xE2, 0xA9, 0x29))
    _, labels = everything(dataset)
    assert (labels[:, :4] == 0).all()
    assert (labels[:, 4:6] == IGNORE).all()
    assert (labels[:, 6:] == 1).all()


def test_masks_in_palette_mode_hold_ids_or_colours(tmp_path):
    for index in range(6):
        save(tmp_path / f"images/{index}.png", picture(index))
        mask = Image.fromarray(ids(index))
        mask.putpalette([0, 0, 0, 0x6E, 0xC1, 0xE4])
        (tmp_path / "masks").mkdir(exist_ok=True)
        mask.save(tmp_path / f"masks/{index}.png")
    by_id = everything(load(tmp_path))
    by_colour = everything(load(tmp_path, palette={"void": "#000000", "road": "#6EC1E4"}))
    np.testing.assert_array_equal(by_id[1], by_colour[1])


def test_binary_masks_of_0_and_255(folder):
    for index in range(10):
        save(folder / f"masks/{index}.png", ids(index) * np.uint8(255))
    _, labels = everything(load(folder, ids={"background": 0, "object": 255}))
    assert set(np.unique(labels)) == {0, 1}


def test_classes_are_merged(tmp_path):
    for index in range(6):
        save(tmp_path / f"images/{index}.png", picture(index))
        save(tmp_path / f"masks/{index}.png", ids(index, classes=4))
    settings = {"classes": ["sky", "lane", "kerb", "void"], "merge": {"road": ["lane", "kerb"]}, "ignore": ["void"]}
    dataset = load(tmp_path, **settings)
    images, labels = everything(dataset)
    expected = {picture(index).tobytes(): np.array([0, 1, 1, IGNORE])[ids(index, classes=4)] for index in range(6)}
    for image, label in zip(images, labels, strict=True):
        np.testing.assert_array_equal(label, expected[image.tobytes()])


def test_groups_stay_on_one_side(tmp_path):
    for index in range(20):
        save(tmp_path / f"Tile {index // 4}/images/{index}.png", picture(index))
        save(tmp_path / f"Tile {index // 4}/masks/{index}.png", ids(index))
    dataset = load(tmp_path, images="*/images/*.png", masks="*/masks/*.png", groups=r"Tile (\d+)")
    tile = {picture(index).tobytes(): index // 4 for index in range(20)}
    sides = [
        {tile[image.tobytes()] for image in split.read(np.arange(len(split)))[0]}
        for split in (dataset.train, dataset.validation, dataset.test)
    ]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 5


def test_equal_images_stay_on_one_side(folder):
    for index in range(5):
        save(folder / f"images/{index}.png", picture(77))
    assert len(everything(load(folder))[0]) == 10


def test_lists_choose_and_may_leave_out(folder):
    (folder / "train.txt").write_text("# comment\n0\nimages/1.png\n2.png\n\n3\n")
    (folder / "test.txt").write_text("4\n5\n")
    dataset = load(folder, train="train.txt", test="test.txt")
    assert len(dataset.train) + len(dataset.validation) == 4
    images, _ = dataset.test.read(np.arange(2))
    np.testing.assert_array_equal(images, [picture(4), picture(5)])


def test_without_a_training_list_the_rest_is_for_training(folder):
    (folder / "test.txt").write_text("4\n5\n")
    dataset = load(folder, test="test.txt")
    assert len(dataset.train) + len(dataset.validation) == 8


def test_unlabelled_images_are_kept_apart(folder):
    for index in range(3):
        save(folder / f"more/{index}.png", picture(50 + index))
    dataset = load(folder, unlabelled="more/*.png")
    images, labels = dataset.unlabelled.read(np.arange(3))
    np.testing.assert_array_equal(images[2], picture(52))
    assert (labels == IGNORE).all()
    assert len(everything(dataset)[0]) == 10


def test_images_of_many_sizes_are_brought_to_one(folder):
    save(folder / "images/3.png", picture(3, 50, 70))
    save(folder / "masks/3.png", ids(3, 50, 70))
    with pytest.raises(DataError, match=r"3\.png: is 50x70 where .* is 24x32; set data\.size"):
        load(folder)
    assert load(folder, size=[16, 16]).train.image_shape == (16, 16, 3)
    assert load(folder, patch=PatchConfig(size=16)).train.image_shape == (16, 16, 3)


def test_channels_are_chosen_and_named(folder):
    dataset = load(folder, channels=[2, 0])
    assert dataset.bands == ("blue", "red")
    images, _ = everything(dataset)
    assert {image.tobytes() for image in images} == {picture(index)[..., [2, 0]].tobytes() for index in range(10)}
    with pytest.raises(DataError, match=r"data\.channels: \[3\] must be bands from 0 to 2"):
        load(folder, channels=[3])


def test_gray_transparent_and_palette_images_are_read_as_colours(folder):
    Image.fromarray(picture(1)).convert("L").save(folder / "images/1.png")
    Image.fromarray(picture(2)).convert("RGBA").save(folder / "images/2.png")
    Image.fromarray(picture(3)).quantize(16).save(folder / "images/3.png")
    assert everything(load(folder))[0].shape == (10, 24, 32, 3)


def test_a_moved_folder_is_the_same_data_and_a_changed_pixel_is_not(folder, tmp_path_factory):
    before = load(folder).train.fingerprint
    moved = tmp_path_factory.mktemp("elsewhere") / "data"
    folder.rename(moved)
    assert load(moved).train.fingerprint == before
    assert load(moved, size=[16, 16]).train.fingerprint != before
    assert load(moved, merge={"b": ["b"], "c": ["a"]}).train.fingerprint == before
    for index in range(10):
        mask = ids(index)
        mask[0, 0] ^= 1
        save(moved / f"masks/{index}.png", mask)
    assert load(moved, cache_mib=1).train.fingerprint != before


def test_pixels_that_another_decoder_makes_are_other_data(folder, monkeypatch):
    before = load(folder, cache_mib=5).train.fingerprint
    monkeypatch.setattr("segsweep.data.image_files.versions", lambda *names: {"pillow": "another"})

    def otherwise(path, kind, **rest):
        return read_image(path, kind, **rest) ^ 1

    monkeypatch.setattr("segsweep.data.file_survey.read_image", otherwise)
    assert load(folder, cache_mib=6).train.fingerprint != before


def test_percentiles_are_robust(folder):
    for index in range(10):
        image = picture(index) // 4
        image[0, 1] = 255
        save(folder / f"images/{index}.png", image)
    robust = load(folder, normalize="percentile").normalization
    # The values are evenly spread over 0 to 63, apart from some far out.
    np.testing.assert_allclose(robust.mean, 31.5, atol=4)
    np.testing.assert_allclose(robust.std, 30.5, atol=4)


def test_files_are_looked_at_once(folder, monkeypatch):
    first = load(folder, cache_mib=7)
    opened = []
    monkeypatch.setattr("segsweep.data.file_survey._look", lambda *args: opened.append(args))
    again = load(folder, cache_mib=8)
    assert not opened
    assert again.train.fingerprint == first.train.fingerprint


def test_memory_stays_bounded_where_the_data_does_not_fit(tmp_path):
    for index in range(32):
        save(tmp_path / f"images/{index}.png", picture(index, 256, 256))
        save(tmp_path / f"masks/{index}.png", ids(index, 256, 256))
    limit = 2**20
    dataset = load(tmp_path, cache_mib=1)
    everything_decoded = 32 * 256 * 256 * 4
    tracemalloc.start()
    for _ in range(2):
        for index in range(len(dataset.train)):
            dataset.train.read(np.array([index]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.5 * limit < dataset.train.cache.used <= limit
    assert peak < limit + 8 * 256 * 256 * 4 < everything_decoded / 2


def test_what_is_cached_is_not_decoded_again(folder, monkeypatch):
    dataset = load(folder)
    rows = np.arange(len(dataset.train))
    first = dataset.train.read(rows)
    monkeypatch.setattr("segsweep.data.file_split.read_image", None)
    np.testing.assert_array_equal(dataset.train.read(rows[::-1])[0], first[0][::-1])
