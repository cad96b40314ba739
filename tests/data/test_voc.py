"""PASCAL VOC in its layout."""

import shutil

import numpy as np
import pytest
from PIL import Image

from segsweep.config.data_schema import VocConfig
from segsweep.data import voc
from segsweep.data.dataset import IGNORE
from segsweep.data.sources import load_dataset
from segsweep.errors import DataError


def test_colours_are_those_of_the_development_kit():
    # As listed on the challenge's page of the segmentation colours.
    assert voc.colour(0) == (0, 0, 0)
    assert voc.colour(1) == (128, 0, 0)
    assert voc.colour(4) == (0, 0, 128)
    assert voc.colour(8) == (64, 0, 0)
    assert voc.colour(15) == (192, 128, 128)
    assert voc.colour(20) == (0, 64, 128)
    assert voc.colour(255) == (224, 224, 192)


def test_colours_are_those_in_real_masks(shared_data):
    path = next((shared_data / "voc2012_seg").rglob("SegmentationClass/*.png"))
    levels = Image.open(path).getpalette()
    assert [tuple(levels[3 * index : 3 * index + 3]) for index in range(21)] == list(map(voc.colour, range(21)))


@pytest.mark.parametrize("below", ["", "VOCdevkit", "VOCdevkit/VOC2012"])
def test_the_real_sample_loads_as_it_is(shared_data, below):
    root = shared_data / "voc2012_seg"
    dataset = load_dataset(VocConfig(root=str(root / below)))
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (2, 1, 1)
    assert dataset.train.image_shape == (256, 256, 3)
    assert len(dataset.classes) == 21
    # 2007_004189 is 500x333, so scaled by 256/500 it fills 170 rows; its labels are those of the file there.
    path = next(root.rglob("SegmentationClass/2007_004189.png"))
    mask = np.asarray(Image.open(path))
    expected = np.asarray(Image.fromarray(mask).resize((256, round(mask.shape[0] * 256 / 500)), Image.NEAREST))
    splits = (dataset.train, dataset.validation, dataset.test)
    labels = np.concatenate([split.read(np.arange(len(split)))[1] for split in splits])
    rows = len(expected)
    assert sum(np.array_equal(label[:rows], expected) and (label[rows:] == IGNORE).all() for label in labels) == 1


def test_foreground_is_all_that_is_not_background(shared_data):
    root = str(shared_data / "voc2012_seg")
    classes, foreground = (load_dataset(VocConfig(root=root, target=target)) for target in ("classes", "foreground"))
    assert foreground.classes == ("background", "foreground")
    for name in ("train", "validation", "test"):
        (images, labels), (same, binary) = (
            getattr(each, name).read(np.arange(len(getattr(each, name)))) for each in (classes, foreground)
        )
        np.testing.assert_array_equal(images, same)
        np.testing.assert_array_equal(binary, np.where(labels == IGNORE, IGNORE, labels > 0))
    assert classes.train.fingerprint != foreground.train.fingerprint


@pytest.fixture
def copy(shared_data, tmp_path):
    """The real sample, to be changed."""
    shutil.copytree(shared_data / "voc2012_seg", tmp_path / "voc")
    return tmp_path / "voc" / "VOCdevkit" / "VOC2012"


def test_its_own_lists_are_training_and_test(copy):
    lists = copy / "ImageSets" / "Segmentation"
    names = (lists / "val.txt").read_text().split()
    (lists / "train.txt").write_text("\n".join(names[:3]))
    (lists / "val.txt").write_text(names[3])
    dataset = load_dataset(VocConfig(root=str(copy), validation_fraction=0.5))
    test = dataset.test.pairs[dataset.test.source[0]]
    assert test.name == names[3]
    assert len(dataset.train) + len(dataset.validation) == 3


def test_a_pattern_chooses_from_the_list_of_all(copy):
    names = [path.stem for path in sorted((copy / "SegmentationClass").glob("*.png"))]
    (copy / "ImageSets/Segmentation/trainval.txt").write_text("\n".join(names))
    test = f"JPEGImages/{names[0]}*"
    dataset = load_dataset(VocConfig(root=str(copy), test=test, validation_fraction=0.5))
    assert [dataset.test.pairs[row].name for row in dataset.test.source] == names[:1]
    assert len(dataset.train) + len(dataset.validation) == len(names) - 1


def test_a_listed_file_that_is_not_there_is_named(copy):
    (copy / "SegmentationClass" / "2007_004189.png").unlink()
    with pytest.raises(DataError, match=r"SegmentationClass/2007_004189\.png: no such file, though a list names it"):
        load_dataset(VocConfig(root=str(copy)))


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds no VOCdevkit/VOC2012"):
        load_dataset(VocConfig(root=str(tmp_path)))
    with pytest.raises(DataError, match="is no folder"):
        load_dataset(VocConfig(root=str(tmp_path / "nowhere")))
