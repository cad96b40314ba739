"""Oxford-IIIT Pet in its layout."""

import numpy as np
import pytest
from PIL import Image

from segsweep.config.data_schema import OxfordPetsConfig
from segsweep.data.sources import load_dataset
from segsweep.errors import DataError


@pytest.fixture
def root(tmp_path):
    """Eight pets; one image is gray, one transparent, one a GIF that is called .jpg, as in the real data."""
    rng = np.random.default_rng(0)
    for folder in ("images", "annotations/trimaps"):
        (tmp_path / folder).mkdir(parents=True)
    names = [f"Egyptian_Mau_{index}" for index in range(8)]
    kinds = {1: ("L", "JPEG"), 2: ("RGBA", "PNG"), 3: ("P", "GIF")}
    for index, name in enumerate(names):
        pixels = Image.fromarray(rng.integers(0, 256, (20, 30, 3)).astype(np.uint8))
        mode, kind = kinds.get(index, ("RGB", "JPEG"))
        pixels.convert(mode).save(tmp_path / "images" / f"{name}.jpg", kind)
        trimap = np.full((20, 30), 2, np.uint8)
        trimap[5:15] = 3
        trimap[7:13] = 1
        Image.fromarray(trimap).save(tmp_path / "annotations" / "trimaps" / f"{name}.png")
    header = "#Image CLASS-ID SPECIES BREED ID\n#ID: 1:37 Class ids\n"
    (tmp_path / "annotations" / "trainval.txt").write_text(header + "".join(f"{name} 1 1 1\n" for name in names[:5]))
    (tmp_path / "annotations" / "test.txt").write_text("".join(f"{name} 1 1 1\n" for name in names[5:]))
    return tmp_path


def test_lists_and_trimaps_are_read(root):
    dataset = load_dataset(OxfordPetsConfig(root=str(root), size=[20, 30]))
    assert dataset.classes == ("pet", "background", "border")
    assert len(dataset.train) + len(dataset.validation) == 5
    assert len(dataset.test) == 3
    images, labels = dataset.test.read(np.arange(3))
    assert images.shape == (3, 20, 30, 3)
    assert (labels[:, :5] == 1).all()
    assert (labels[:, 5:7] == 2).all()
    assert (labels[:, 7:13] == 0).all()


def test_the_border_may_be_part_of_the_pet(root):
    dataset = load_dataset(OxfordPetsConfig(root=str(root), size=[20, 30], merge={"pet": ["border"]}))
    assert dataset.classes == ("pet", "background")
    _, labels = dataset.test.read(np.arange(3))
    assert (labels[:, 5:15] == 0).all()


def test_a_list_of_ones_own_may_stand_for_the_test(root):
    (root / "mine.txt").write_text("Egyptian_Mau_0\n")
    dataset = load_dataset(OxfordPetsConfig(root=str(root), test="mine.txt"))
    assert len(dataset.test) == 1
    assert len(dataset.train) + len(dataset.validation) == 4


def test_an_empty_list_is_refused(root):
    (root / "annotations" / "test.txt").write_text("# nothing\n")
    with pytest.raises(DataError, match=r"test\.txt: names no image"):
        load_dataset(OxfordPetsConfig(root=str(root)))
