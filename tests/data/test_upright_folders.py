"""Folders whose images or masks are stored otherwise than upright, against `PIL.ImageOps.exif_transpose`."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image, ImageOps
from rasterio.transform import from_origin
from saved_folders import everything, ids, load, picture, save
from shared_cases import made

from segsweep.config.data_schema import ClassFoldersConfig, PatchConfig
from segsweep.data.orientation import stored
from segsweep.data.sources import load_dataset
from segsweep.errors import DataError

EVERY = range(2, 9)


def with_exif(orientation):
    exif = Image.Exif()
    exif[0x112] = orientation
    return exif


def by_content(images, labels):
    return {(image.tobytes(), mask.tobytes()) for image, mask in zip(images, labels, strict=True)}


@pytest.fixture
def upright(tmp_path):
    """Ten images of 24 x 32 and their masks, upright."""
    for index in range(10):
        save(tmp_path / f"upright/images/{index}.png", picture(index))
        save(tmp_path / f"upright/masks/{index}.png", ids(index))
    return tmp_path / "upright"


def store(root, orientation, *, turn_masks=False, suffix="png"):
    """The same images stored with an orientation."""
    for index in range(10):
        save(root / f"images/{index}.{suffix}", stored(picture(index), orientation), exif=with_exif(orientation))
        turned = {"exif": with_exif(orientation)} if turn_masks else {}
        save(root / f"masks/{index}.png", stored(ids(index), orientation) if turn_masks else ids(index), **turned)
    return root


@pytest.mark.parametrize("orientation", EVERY)
@pytest.mark.parametrize("settings", [{}, {"size": [16, 20], "fit": "crop"}, {"size": [40, 30], "fit": "pad"}])
def test_every_orientation_gives_the_images_that_upright_files_give(upright, tmp_path, orientation, settings):
    expected = load(upright, **settings)
    found = load(store(tmp_path / "stored", orientation), **settings)
    assert by_content(*everything(found)) == by_content(*everything(expected))
    assert found.train.image_shape == expected.train.image_shape
    assert found.remarks == ("10 of 10 images were turned upright, as the orientation in the file says",)
    assert not expected.remarks


@pytest.mark.parametrize("orientation", EVERY)
def test_masks_are_turned_too(upright, tmp_path, orientation):
    found = load(store(tmp_path / "stored", orientation, turn_masks=True))
    assert by_content(*everything(found)) == by_content(*everything(load(upright)))
    assert found.remarks[1] == "10 of 10 masks were turned upright, as the orientation in the file says"


def test_the_fingerprint_changes_where_images_are_turned_and_only_there(upright, tmp_path):
    before = load(upright)
    for index in range(10):
        save(tmp_path / f"plain/images/{index}.png", picture(index))
        save(tmp_path / f"plain/masks/{index}.png", ids(index))
        # What says to turn nothing.
        save(tmp_path / f"square/images/{index}.png", picture(index, 24, 24), exif=with_exif(3))
        save(tmp_path / f"square/masks/{index}.png", ids(index, 24, 24))
        save(tmp_path / f"flat/images/{index}.png", picture(index, 24, 24))
        save(tmp_path / f"flat/masks/{index}.png", ids(index, 24, 24))
    assert load(tmp_path / "plain").train.fingerprint == before.train.fingerprint
    assert load(tmp_path / "square").train.fingerprint != load(tmp_path / "flat").train.fingerprint


def test_the_fingerprint_of_upright_images_is_that_of_earlier_versions(tmp_path):
    """Trainings of images that are not turned are found again; the number is of the version before images were."""
    for index in range(10):
        save(tmp_path / f"images/{index}.bmp", picture(index))
        save(tmp_path / f"masks/{index}.bmp", ids(index))
    found = load(tmp_path, images="images/*.bmp", masks="masks/*.bmp")
    assert found.train.fingerprint == "e3475f8945200b5dc85f0e193c70c3de429cb81d02cb70d07dd443c9742cdfb0"


def test_that_the_orientation_makes_sizes_differ_is_said(tmp_path):
    root = store(tmp_path, 6)
    for index in range(10):
        save(root / f"masks/{index}.png", stored(ids(index), 6))
    with pytest.raises(DataError, match=r"a mask of 32x24 for an image of 24x32 .*as its orientation \(6\) says"):
        load(root)


def test_that_sizes_differ_for_another_reason_is_said_without_the_orientation(tmp_path):
    root = store(tmp_path, 3)
    save(root / "masks/4.png", ids(4, 20, 32))
    with pytest.raises(DataError, match=r"the sizes must be equal$"):
        load(root)


def test_photographs_are_turned_before_they_are_cut_and_listed_ones_alone_are_counted(tmp_path):
    for index in range(12):
        turned = index % 3 == 0
        pixels = picture(index, 32, 48)
        save(
            tmp_path / f"images/{index}.jpg",
            stored(pixels, 8) if turned else pixels,
            **({"exif": with_exif(8)} if turned else {}),
            quality=100,
        )
        save(tmp_path / f"masks/{index}.png", ids(index, 32, 48))
    (tmp_path / "train.txt").write_text("".join(f"{index}\n" for index in range(8)))
    (tmp_path / "test.txt").write_text("8\n10\n")
    lists = {"train": "train.txt", "test": "test.txt"}
    found = load(tmp_path, images="images/*.jpg", patch=PatchConfig(size=16), **lists)
    assert found.remarks == ("3 of 10 images were turned upright, as the orientation in the file says",)
    assert len(found.train) + len(found.validation) + len(found.test) == 10 * 6
    whole = load(tmp_path, images="images/*.jpg", **lists)
    images, _ = whole.train.read(np.arange(len(whole.train)))
    for index, image in zip(whole.train.source, images, strict=True):
        with Image.open(whole.train.pairs[index].image) as photograph:
            np.testing.assert_array_equal(image, np.asarray(ImageOps.exif_transpose(photograph)))


def test_the_shared_case_is_as_good_as_upright(tmp_path):
    """What is bright in the photographs is what the masks say."""
    found = load(made("exif", tmp_path), images="images/*.jpg")
    images, labels = everything(found)
    agreement = ((images[..., 0] > 120) == (labels == 1)).mean()
    assert agreement > 0.99, "as they are stored it is about a half"
    assert found.remarks == ("24 of 24 images were turned upright, as the orientation in the file says",)


def tiff(path, pixels, orientation, **place):
    """A TIFF with an orientation tag, as libtiff programs write it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, tiffinfo={274: orientation})
    if place:
        with rasterio.open(path, "r+") as raster:
            raster.transform, raster.crs = place["transform"], place["crs"]


@pytest.mark.parametrize("orientation", EVERY)
def test_tiffs_are_turned_as_pillow_turns_them(upright, tmp_path, orientation):
    for index in range(10):
        tiff(tmp_path / f"images/{index}.tif", stored(picture(index), orientation), orientation)
        tiff(tmp_path / f"masks/{index}.tif", stored(ids(index), orientation), orientation)
    with Image.open(tmp_path / "images/3.tif") as opened:
        np.testing.assert_array_equal(np.asarray(opened), picture(3))
    found = load(tmp_path, images="images/*.tif", masks="masks/*.tif")
    assert by_content(*everything(found)) == by_content(*everything(load(upright)))
    assert len(found.remarks) == 2


def test_a_tiff_with_an_orientation_and_a_place_is_refused_and_the_remedy_works(tmp_path):
    from click.testing import CliRunner
    from rasterio.rio.main import main_group

    place = {"transform": from_origin(500_000, 5_000_000, 10, 10), "crs": "EPSG:32633"}
    for index in range(10):
        tiff(tmp_path / f"images/{index}.tif", picture(index), 3, **place)
        save(tmp_path / f"masks/{index}.png", ids(index))
    with pytest.raises(DataError, match=r"orientation tag \(3\).*rio convert .*0\.tif NEW\.tif") as raised:
        load(tmp_path, images="images/*.tif")
    assert "\n" not in str(raised.value)
    for index in range(10):
        path = tmp_path / f"images/{index}.tif"
        done = CliRunner().invoke(main_group, ["convert", str(path), str(tmp_path / "new.tif")])
        assert done.exit_code == 0, done.output
        (tmp_path / "new.tif").replace(path)
    images, _ = everything(load(tmp_path, images="images/*.tif"))
    assert {image.tobytes() for image in images} == {picture(index).tobytes() for index in range(10)}


def test_photographs_in_folders_of_classes_are_turned(tmp_path):
    for index in range(12):
        kind = "ab"[index % 2]
        save(tmp_path / f"{kind}/{index}.png", stored(picture(index), 6), exif=with_exif(6))
    dataset = load_dataset(ClassFoldersConfig(root=str(tmp_path)))
    images, _ = everything(dataset)
    assert {image.tobytes() for image in images} == {picture(index).tobytes() for index in range(12)}
    assert dataset.remarks == ("12 of 12 images were turned upright, as the orientation in the file says",)


def test_unlabelled_photographs_and_the_reference_of_histograms_are_turned(upright):
    root = upright
    exif = with_exif(6)
    for index in range(20, 24):
        save(root / f"others/{index}.png", stored(picture(index), 6), exif=exif)
    found = load(root, unlabelled="others/*.png")
    images, _ = found.unlabelled.read(np.arange(4))
    assert {image.tobytes() for image in images} == {picture(index).tobytes() for index in range(20, 24)}
    (root / "reference").mkdir()
    save(root / "reference/a.png", stored(picture(50), 6), exif=exif)
    save(root / "reference/b.png", picture(50))
    tables = [
        load(root, histogram="match", histogram_reference=str(root / f"reference/{name}.png")).histogram.table
        for name in "ab"
    ]
    np.testing.assert_array_equal(*tables)


def test_what_was_found_out_by_an_earlier_version_is_not_used_again():
    """What is kept between processes depends on the code that turns images."""
    from segsweep.data import declared_scale, georeference, orientation, raster_pages
    from segsweep.data.file_survey import READING_CODE as of_surveys
    from segsweep.data.preprocessing import _CODE as of_histograms

    names = {Path(module.__file__) for module in (declared_scale, orientation, raster_pages)}
    assert names <= set(of_histograms)
    assert names | {Path(georeference.__file__)} <= set(of_surveys)
