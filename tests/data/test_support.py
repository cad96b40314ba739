"""Notes on data that cannot support a claim."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from small_jobs import job

from segsweep.config.data_schema import ImageFolderConfig, NpzConfig
from segsweep.data.sources import load_dataset
from segsweep.data.support import support_notes
from segsweep.sweep.points import Point, data_notes, data_remarks

RNG = np.random.default_rng(0)


def archive(path, masks, seed=0):
    images = np.random.default_rng(seed).random((len(masks), *masks.shape[1:], 3))
    np.savez(path, X=images, Y=masks)
    return str(path)


def masks_of(count: int, share: float = 0.5, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random((count, 8, 8)) < share).astype(np.uint8)


def notes_of(tmp_path, train, test, **settings):
    config = NpzConfig(
        train=archive(tmp_path / "train.npz", train), test=archive(tmp_path / "test.npz", test, 1), **settings
    )
    return support_notes(load_dataset(config))


def test_data_that_can_support_a_claim_have_no_note(tmp_path):
    assert notes_of(tmp_path, masks_of(40), masks_of(8, seed=1)) == []


def test_masks_that_are_all_alike(tmp_path):
    train = np.repeat(masks_of(1), 40, axis=0)
    notes = notes_of(tmp_path, train, masks_of(8, seed=1))
    assert notes[0].startswith("all 32 training masks are equal: the images show one place")
    assert any(note.startswith("8 validation images, 1 of them independent: fewer than 6") for note in notes)
    assert not any("test masks" in note for note in notes)


def test_test_images_of_a_place_that_was_trained_on(tmp_path):
    train, test = masks_of(40), masks_of(8, seed=1)
    test[:3] = train[0]
    (note,) = [each for each in notes_of(tmp_path, train, test) if "have the mask of a training image" in each]
    assert note.startswith(("3 of 8 test images", "4 of 8"))


@pytest.mark.parametrize(("share", "noted"), [(0.5, False), (0.3, False), (0.2, True), (0.01, True)])
def test_shares_that_differ_by_more_than_a_factor_of_two(tmp_path, share, noted):
    notes = notes_of(tmp_path, masks_of(60), masks_of(30, share, seed=1))
    found = [note for note in notes if "differ by more than a factor of 2" in note]
    assert len(found) == noted
    if share == 0.2:
        assert "class_1 is 5" in found[0]
        assert "% of the training pixels and 19% of the test pixels" in found[0]


def test_too_few_test_images(tmp_path):
    notes = notes_of(tmp_path, masks_of(40), masks_of(5, seed=1))
    assert notes == ["5 test images: fewer than 6, so no score has an interval"]


def test_too_few_validation_images(tmp_path):
    notes = notes_of(tmp_path, masks_of(20), masks_of(6, seed=1))
    assert notes == ["4 validation images: fewer than 6, so nothing is told apart when choosing"]


def folder_of(root, names, **settings):
    for name in names:
        for kind, pixels in (("images", RNG.integers(0, 255, (8, 8, 3))), ("masks", RNG.integers(0, 2, (8, 8)))):
            (root / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(root / kind / f"{name}.png")
    return load_dataset(ImageFolderConfig(root=str(root), classes=["a", "b"], **settings))


def test_names_that_show_scenes_shared_by_both_sides(tmp_path):
    names = [f"scene{scene}_{row}_{column}" for scene in "abcd" for row in range(3) for column in range(4)]
    shared = [
        note for note in support_notes(folder_of(tmp_path / "one", names)) if "share" in note and "scenes" in note
    ]
    assert ["training and validation" in each for each in shared] == [True, False]
    assert all("of 4 scenes, as their names show (scene" in each for each in shared)
    grouped = folder_of(tmp_path / "two", names, groups="(scene.)")
    assert not [note for note in support_notes(grouped) if "scenes, as" in note]
    plain = folder_of(tmp_path / "three", [f"img_{number:03}" for number in range(48)])
    assert support_notes(plain) == []


def test_tiles_of_one_raster_on_both_sides(tmp_path):
    rasterio = pytest.importorskip("rasterio")
    from rasterio.transform import from_origin

    def tiles(root, apart: int) -> list[str]:
        for number in range(48):
            transform = from_origin(500_000 + apart * (number % 8), 5_000_000 - apart * (number // 8), 10, 10)
            for kind, bands in (("images", RNG.integers(0, 255, (3, 8, 8))), ("masks", RNG.integers(0, 2, (1, 8, 8)))):
                path = root / kind / f"{number}.tif"
                path.parent.mkdir(parents=True, exist_ok=True)
                profile = {"driver": "GTiff", "height": 8, "width": 8, "dtype": "uint8", "crs": "EPSG:32633"}
                with rasterio.open(path, "w", count=len(bands), transform=transform, **profile) as file:
                    file.write(bands.astype(np.uint8))
        config = ImageFolderConfig(root=str(root), images="images/*.tif", masks="masks/*.tif", classes=["a", "b"])
        return support_notes(load_dataset(config))

    # Of the test tiles each touches another one, with a chance to speak of that none of its neighbours is trained on.
    for role, note in zip(("validation", "test"), tiles(tmp_path / "touching", 80), strict=True):
        assert f"{role} images lie within half a tile of training images, so both come from one scene" in note
    assert tiles(tmp_path / "apart", 200) == []


def test_notes_are_told_of_the_points_of_a_sweep(tmp_path):
    config = NpzConfig(
        train=archive(tmp_path / "train.npz", masks_of(40)), test=archive(tmp_path / "test.npz", masks_of(3, seed=1), 1)
    )
    point = Point((), replace(job("float32"), data=config))
    assert "3 test images: fewer than 6, so no score has an interval" in data_remarks([point])
    assert "3 test images: fewer than 6, so no score has an interval" in data_notes([point])
