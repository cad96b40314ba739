"""Images of a split given by a pattern, and where patterns may lie."""

import pytest
from saved_folders import ids, load, picture, save

from segsweep.config.data_schema import OxfordPetsConfig
from segsweep.data.sources import load_dataset, remarks
from segsweep.errors import ConfigError, DataError


@pytest.mark.parametrize("name", ["plain", "with [x] and *"])
def test_a_pattern_is_of_paths_in_the_folder(tmp_path, name):
    for place in ("a", "b"):
        for index in range(4):
            number = index + 4 * (place == "b")
            save(tmp_path / name / place / f"images/{number}.png", picture(number))
            save(tmp_path / name / place / f"masks/{number}.png", ids(number))
    settings = {"images": "*/images/*.png", "masks": "*/masks/*.png"}
    for test, count in (("b/*", 4), ("b*/images/5.png", 1), (str(tmp_path / name / "b" / "*"), 4)):
        dataset = load(tmp_path / name, **settings, test=test)
        assert len(dataset.test) == count
    with pytest.raises(ConfigError, match=r"must lie in data\.root"):
        load(tmp_path / name, **settings, test="/elsewhere/*")


def test_a_list_in_a_folder_with_a_star_is_a_list(tmp_path):
    for index in range(6):
        save(tmp_path / f"a*b/images/{index}.png", picture(index))
        save(tmp_path / f"a*b/masks/{index}.png", ids(index))
    (tmp_path / "a*b/test.txt").write_text("4\n5\n")
    assert len(load(tmp_path / "a*b", test="test.txt").test) == 2


def test_patterns_of_pairs_lie_in_the_folder(folder, tmp_path_factory):
    assert len(load(folder, images=f"{folder}/images/*.png").test) == 2
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    save(elsewhere / "0.png", picture(0))
    with pytest.raises(ConfigError, match=r"data\.images: .* must lie in data\.root"):
        load(folder, images=f"{elsewhere}/*.png")


def test_images_that_are_all_masks_are_refused(folder):
    with pytest.raises(DataError, match=r"data\.images=masks/\*\.png: all .* data\.masks=masks/\*\.png"):
        load(folder, images="masks/*.png")


def test_unlabelled_images_need_not_be_there_and_are_not_opened(folder):
    assert "data.unlabelled=more/*.png matches no file" in remarks(load(folder, unlabelled="more/*.png"))[0]
    (folder / "more").mkdir()
    (folder / "more/0.png").write_text("no picture")
    dataset = load(folder, unlabelled="more/*.png", cache_mib=3)
    with pytest.raises(DataError, match=r"more/0\.png"):
        len(dataset.unlabelled)


def test_a_pattern_of_pets_chooses_from_their_list(tmp_path):
    for index in range(8):
        name = f"{'pug' if index < 3 else 'Beagle'}_{index}"
        save(tmp_path / f"images/{name}.jpg", picture(index))
        save(tmp_path / f"annotations/trimaps/{name}.png", ids(index) + 1)
    lines = sorted(path.stem for path in tmp_path.glob("images/*.jpg"))
    (tmp_path / "annotations/trainval.txt").write_text("".join(f"{name} 1 2 1\n" for name in lines))
    dataset = load_dataset(OxfordPetsConfig(root=str(tmp_path), size=[24, 32], test="images/pug*"))
    assert {dataset.test.pairs[row].name for row in dataset.test.source} == {"pug_0", "pug_1", "pug_2"}
    assert len(dataset.train) + len(dataset.validation) == 5
