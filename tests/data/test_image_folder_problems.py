"""Folders of images and masks: what is refused and how it is said."""

import re

import numpy as np
import pytest
from PIL import Image
from saved_folders import COLOURS, coloured, ids, load, picture, save

from segsweep.errors import ConfigError, DataError


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
        ({"ignore_label": 255, "palette": COLOURS}, ConfigError, r"is no colour .*data\.ignore"),
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
