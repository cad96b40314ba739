"""Masks that lie elsewhere than their images."""

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from shared_cases import made

from segsweep.config.data_schema import ImageFolderConfig
from segsweep.data.sources import load_dataset
from segsweep.errors import DataError

UTM, ETRS = "EPSG:32633", "EPSG:25833"
"""On the same place, two systems that differ by less than a metre."""


def write(path, bands, crs, transform):
    path.parent.mkdir(parents=True, exist_ok=True)
    place = {key: value for key, value in (("crs", crs), ("transform", transform)) if value is not None}
    count, height, width = bands.shape
    shape = {"count": count, "height": height, "width": width, "dtype": bands.dtype}
    with rasterio.open(path, "w", driver="GTiff", **shape, **place) as file:
        file.write(bands)


def load(root):
    return load_dataset(
        ImageFolderConfig(root=str(root), images="images/*.tif", masks="masks/*.tif", classes=["a", "b", "c"])
    )


def pairs(root, mask_crs, mask_transform, image_crs=UTM, image_transform=from_origin(500_000, 5_000_000, 10, 10)):
    for number in range(6):
        rng = np.random.default_rng(number)
        write(
            root / f"images/{number}.tif", rng.integers(0, 9, (2, 20, 24)).astype(np.int16), image_crs, image_transform
        )
        write(root / f"masks/{number}.tif", rng.integers(0, 3, (1, 20, 24)).astype(np.uint8), mask_crs, mask_transform)
    return root


@pytest.mark.parametrize(
    ("case", "complaint"),
    [
        (
            "east",
            r"masks/00\.tif: lies elsewhere than 00\.tif, its upper left corner 8\.0 pixels right of the image's; ",
        ),
        (
            "othercrs",
            r"masks/00\.tif: lies in EPSG:4326 and 00\.tif in EPSG:32633, its upper left corner [\d.]+ pixels",
        ),
    ],
)
def test_the_shared_cases_are_refused_in_one_line(tmp_path, case, complaint):
    with pytest.raises(DataError, match=complaint) as raised:
        load(made("moved", tmp_path) / case)
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith("24 problems in the data: ")


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        (UTM, from_origin(500_000, 5_000_000, 10, 10)),
        (UTM, from_origin(500_005, 5_000_000, 10, 10)),
        (ETRS, from_origin(500_000, 5_000_000, 10, 10)),
        (None, from_origin(500_000, 5_000_000, 10, 10)),
        (None, None),
        (UTM, None),
    ],
)
def test_half_a_pixel_and_other_words_for_the_same_place_are_no_mistake(tmp_path, crs, transform):
    assert len(load(pairs(tmp_path, crs, transform)).classes) == 3


@pytest.mark.parametrize(
    ("crs", "transform", "complaint"),
    [
        (UTM, from_origin(500_005.2, 5_000_000, 10, 10), "0.5 pixels right of the image's"),
        (UTM, from_origin(499_980, 5_000_030, 10, 10), "2.0 pixels left of and 3.0 pixels above the image's"),
        (UTM, from_origin(500_000, 4_999_900, 10, 10), "corner 10.0 pixels below the image's"),
        (UTM, from_origin(500_000, 5_000_000, 20, 20), "another one 31.2 pixels from the image's"),
        (None, from_origin(500_080, 5_000_000, 10, 10), "8.0 pixels right of the image's"),
        ("EPSG:32634", from_origin(500_000, 5_000_000, 10, 10), "lies in EPSG:32634 and 0.tif in EPSG:32633"),
        (UTM, rasterio.Affine(10, 0, 500_000, 0, 10, 4_999_800), "20.0 pixels below the image's"),
    ],
)
def test_how_far_apart_they_lie_is_said(tmp_path, crs, transform, complaint):
    with pytest.raises(DataError) as raised:
        load(pairs(tmp_path, crs, transform))
    assert complaint in str(raised.value)


@pytest.mark.parametrize(
    "words",
    [
        ["warp", "MASK", "NEW", "--like", "IMAGE"],
        ["edit-info", "--like", "IMAGE", "--crs", "like", "--transform", "like", "MASK"],
    ],
)
def test_the_remedies_work(tmp_path, words):
    from click.testing import CliRunner
    from rasterio.rio.main import main_group

    root = pairs(tmp_path, UTM, from_origin(500_050, 5_000_000, 10, 10))
    for number in range(6):
        mask, new = root / f"masks/{number}.tif", root / "new.tif"
        given = {"MASK": str(mask), "NEW": str(new), "IMAGE": str(root / f"images/{number}.tif")}
        before = rasterio.open(mask).read(1)
        done = CliRunner().invoke(main_group, [given.get(word, word) for word in words])
        assert done.exit_code == 0, done.output
        if new.exists():
            new.replace(mask)
            before = np.pad(before[:, :-5], ((0, 0), (5, 0)))
        np.testing.assert_array_equal(rasterio.open(mask).read(1), before)
    load(root)
