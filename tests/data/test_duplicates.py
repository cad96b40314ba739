"""One image in two lists: refused, or left out where that is asked for."""

import numpy as np
import pytest
from saved_folders import ids, load, picture, save

from segsweep.config.data_schema import OxfordPetsConfig
from segsweep.data.sources import load_dataset, remarks
from segsweep.errors import DataError


def names(split):
    return sorted({split.pairs[row].name for row in split.source})


def test_equal_images_are_left_out_of_the_side_further_from_the_test(folder):
    save(folder / "images/1.png", picture(8))
    save(folder / "images/2.png", picture(5))
    (folder / "train.txt").write_text("0\n1\n2\n3\n4\n")
    (folder / "validation.txt").write_text("5\n6\n")
    (folder / "test.txt").write_text("6\n8\n9\n")
    lists = {role: f"{role}.txt" for role in ("train", "validation", "test")}
    with pytest.raises(DataError, match=r"data\.duplicates=drop"):
        load(folder, **lists)
    dataset = load(folder, **lists, duplicates="drop")
    assert (names(dataset.train), names(dataset.validation), names(dataset.test)) == (
        ["0", "3", "4"],
        ["5"],
        ["6", "8", "9"],
    )
    assert "2 of the train split, 1 of the validation split" in remarks(dataset)[0]


def test_groups_on_two_sides_are_no_duplicates(folder):
    (folder / "train.txt").write_text("0\n1\n2\n")
    (folder / "test.txt").write_text("3\n")
    with pytest.raises(DataError, match="one group with"):
        load(folder, train="train.txt", test="test.txt", groups="images", duplicates="drop")


def test_a_split_of_duplicates_alone_is_refused(folder):
    (folder / "train.txt").write_text("0\n")
    (folder / "test.txt").write_text("0\n3\n")
    with pytest.raises(DataError, match="every image of the train split"):
        load(folder, train="train.txt", test="test.txt", duplicates="drop")


def test_the_lists_of_the_pets_may_share_an_image(tmp_path):
    for index in range(6):
        save(tmp_path / f"images/pug_{index}.jpg", picture(index % 5))
        save(tmp_path / f"annotations/trimaps/pug_{index}.png", ids(index, classes=3) + np.uint8(1))
    (tmp_path / "annotations/trainval.txt").write_text("pug_0 1\npug_1 1\npug_2 1\n")
    (tmp_path / "annotations/test.txt").write_text("pug_3 1\npug_4 1\npug_5 1\n")
    config = OxfordPetsConfig(root=str(tmp_path), size=[24, 32], validation_fraction=0.5, duplicates="drop")
    assert len(load_dataset(config).test) == 3
    assert names(load_dataset(config).train) + names(load_dataset(config).validation) in (
        ["pug_1", "pug_2"],
        ["pug_2", "pug_1"],
    )
