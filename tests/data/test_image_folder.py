"""Folders of images and masks: what is read, what is refused and how it is said."""

import re
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from segsweep.config.schema import ImageFolderConfig, PatchConfig
from segsweep.data.dataset import IGNORE
from segsweep.data.sources import load_dataset
from segsweep.errors import ConfigError, DataError

COLOURS = {"road": "#6EC1E4", "water": "#E2A929", "void": "#000000"}


def picture(seed, height=24, width=32):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def ids(seed, height=24, width=32, classes=2):
    return np.random.default_rng(100 + seed).integers(0, classes, (height, width)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Ten images with masks of ids 0 and 1."""
    for index in range(10):
        save(tmp_path / f"images/{index}.png", picture(index))
        save(tmp_path / f"masks/{index}.png", ids(index))
    return tmp_path


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def load(root, **settings):
    settings.setdefault("classes", None if {"palette", "ids"} & settings.keys() else ["a", "b"])
    return load_dataset(ImageFolderConfig(root=str(root), **settings))


def everything(dataset):
    parts = [split.read(np.arange(len(split))) for split in (dataset.train, dataset.validation, dataset.test)]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


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
                np.testing.assert_array_equal(label, ids(index)[row : row + 16, column : column + 16])
    assert sorted(sides) == list(range(10))


def coloured(seed, road, height=24, width=32):
    mask = np.zeros((height, width, 3), np.uint8)
    mask[ids(seed, height, width) == 1] = road
    return mask


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


def test_percentiles_are_robust(folder):
    for index in range(10):
        image = picture(index) // 4
        image[0, 1] = 255
        save(folder / f"images/{index}.png", image)
    robust = load(folder, normalize="percentile").normalization
    # The values are evenly spread over 0 to 63, apart from some far out.
    np.testing.assert_allclose(robust.mean, 31.5, atol=4)
    np.testing.assert_allclose(robust.std, 30.5, atol=4)


def broken(folder, what):
    mask = folder / "masks/4.png"
    if what == "unknown id":
        pixels = ids(4)
        pixels[0, :7] = 9
        save(mask, pixels)
    elif what == "size":
        save(mask, ids(4, 20, 32))
    elif what == "no mask":
        mask.unlink()
    elif what == "no image":
        (folder / "images/4.png").unlink()
    elif what == "truncated image":
        path = folder / "images/4.png"
        path.write_bytes(path.read_bytes()[:700])
    elif what == "truncated mask":
        mask.write_bytes(mask.read_bytes()[:80])
    elif what == "no picture":
        (folder / "images/4.png").write_text("hello")
    elif what == "colours":
        save(mask, coloured(4, (1, 2, 3)))
    elif what == "16 bits":
        save(folder / "images/4.png", ids(4).astype(np.uint16) * 999)


@pytest.mark.parametrize(
    ("what", "complaint"),
    [
        ("unknown id", r"masks/4\.png: 7 pixels of the unknown id 9; the ids are 0 a, 1 b; .*data\.ignore_label"),
        ("size", r"masks/4\.png: a mask of 20x32 for an image of 24x32 \(4\.png\)"),
        ("no mask", r"images/4\.png: has no mask"),
        ("no image", r"masks/4\.png: has no image"),
        ("truncated image", r"images/4\.png: cannot be read \(.*truncated"),
        ("truncated mask", r"masks/4\.png: .*truncated"),
        ("no picture", r"images/4\.png: is no image that can be read"),
        ("colours", r"masks/4\.png: holds colours .*data\.palette"),
        ("16 bits", r"images/4\.png: pixels of more than 8 bits"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(folder, what, complaint):
    broken(folder, what)
    with pytest.raises(DataError, match=complaint) as raised:
        load(folder)
    assert "\n" not in str(raised.value)


def test_all_problems_are_counted_and_the_first_named(folder):
    for index in range(6):
        save(folder / f"masks/{index}.png", np.full((24, 32), 5, np.uint8))
    with pytest.raises(DataError, match=r"6 problems in the data: \(1\) .*0\.png.* \(3\) .*2\.png.*; and 3 more"):
        load(folder)


def test_unknown_colours_name_the_nearest_and_blame_jpeg(tmp_path):
    for index in range(6):
        save(tmp_path / f"images/{index}.png", picture(index))
        save(tmp_path / f"masks/{index}.png", coloured(index, (0x6E, 0xC1, 0xE4)))
    save(tmp_path / "masks/2.png", coloured(2, (0x6E, 0xC1, 0xE5)))
    pixels = int((ids(2) == 1).sum())
    with pytest.raises(DataError, match=rf"2\.png: {pixels} pixels of the unknown colour #6EC1E5; the nearest .* road"):
        load(tmp_path, palette=COLOURS)
    smooth = np.zeros((24, 32, 3), np.uint8)
    smooth[:, 16:] = (0x6E, 0xC1, 0xE4)
    smooth[5:9, 3:12] = (0x6E, 0xC1, 0xE4)
    save(tmp_path / "blurred.jpg", smooth, quality=80)
    save(tmp_path / "masks/2.png", np.asarray(Image.open(tmp_path / "blurred.jpg")))
    with pytest.raises(DataError, match="save masks as PNG"):
        load(tmp_path, palette=COLOURS)


def test_a_bomb_is_refused_before_it_is_decoded(folder, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match="more than 100 pixels"):
        load(folder)


@pytest.mark.parametrize(
    ("settings", "error", "complaint"),
    [
        (
            {"images": "pictures/*.png"},
            DataError,
            r"data\.images: no file in .* matches pictures/\*\.png; there are im",
        ),
        ({"images": "*/*.png"}, ConfigError, "as many"),
        ({"images": "images/a.png"}, ConfigError, "at least one"),
        ({"classes": None}, ConfigError, r"data\.classes is not set"),
        ({"classes": ["a"]}, DataError, "1 names"),
        ({"ids": {"a": 0, "b": 0}}, ConfigError, r"data\.ids: each class"),
        ({"ids": {"a": 0, "b": 1}, "palette": COLOURS}, ConfigError, "both set"),
        ({"palette": {"a": "blue", "b": "#000000"}}, ConfigError, "is no colour"),
        ({"ignore_label": 1}, ConfigError, r"is the id of b"),
        ({"groups": "("}, ConfigError, "no regular expression"),
        ({"groups": "Tile"}, ConfigError, r"is not found in images/0\.png"),
        ({"train": "no.txt"}, DataError, r"no\.txt: cannot be read"),
        ({"bands": ["r", "g"]}, DataError, "2 names for 3 bands"),
        ({"rgb": [0, 1, 5]}, DataError, r"data\.rgb"),
    ],
)
def test_settings_that_do_not_fit_are_refused(folder, settings, error, complaint):
    with pytest.raises(error, match=complaint):
        load(folder, **settings)


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [("0\nx\ny\n", "2 of 3 lines name no image .* x for one; names are like 0"), ("# nothing\n", "names no image")],
)
def test_lists_that_name_nothing_are_refused(folder, lines, complaint):
    (folder / "train.txt").write_text(lines)
    with pytest.raises(DataError, match=complaint):
        load(folder, train="train.txt")


def test_lists_that_share_an_image_or_a_group_are_refused(folder):
    (folder / "train.txt").write_text("0\n1\n2\n")
    (folder / "test.txt").write_text("2\n3\n")
    with pytest.raises(DataError, match=r"1 images of the test split .* 2 with 2"):
        load(folder, train="train.txt", test="test.txt")
    (folder / "test.txt").write_text("3\n")
    with pytest.raises(DataError, match=re.escape("one group with")):
        load(folder, train="train.txt", test="test.txt", groups="images")


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
