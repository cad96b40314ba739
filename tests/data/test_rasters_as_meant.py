"""Rasters whose bands are pages, or whose numbers are meant otherwise than they are stored."""

import numpy as np
import pytest
import rasterio
from PIL import Image
from saved_folders import everything, ids, load, picture, save
from shared_cases import made

from segsweep.data.image_files import kind_of, opened_raster, read_image
from segsweep.data.mask_files import read_values
from segsweep.errors import DataError


def raster(path, bands, scales=None, offsets=None, **settings):
    """Bands (B, H, W) as a TIFF."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = bands.shape
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=height, width=width, dtype=bands.dtype, **settings
    ) as file:
        file.write(bands)
        if scales is not None:
            file.scales, file.offsets = scales, offsets


def read(path):
    return read_image(path, kind_of(path))


def pages(path, *arrays):
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *others = map(Image.fromarray, arrays)
    first.save(path, save_all=True, append_images=others)


def test_the_pages_of_the_shared_case_are_bands(tmp_path):
    root = made("pages", tmp_path)
    images, labels = everything(load(root, images="images/*.tif"))
    assert images.shape[1:] == (64, 64, 4)
    # The first page is noise; the others are red, green and blue of the picture.
    shown = [abs(images[..., band][labels == 1].mean() - images[..., band][labels == 0].mean()) for band in range(4)]
    assert shown[0] < 5
    assert shown[1] > 100
    with Image.open(root / "images/07.tif") as opened:
        expected = []
        for page in range(4):
            opened.seek(page)
            expected.append(np.asarray(opened))
    np.testing.assert_array_equal(read(root / "images/07.tif"), np.stack(expected, axis=-1))


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_pages_of_every_type_are_read_by_windows(tmp_path, dtype):
    modes = {np.uint16: "I;16", np.int32: "I", np.float32: "F"}
    values = [np.random.default_rng(seed).integers(0, 60_000, (24, 32)).astype(dtype) for seed in range(3)]
    pages(tmp_path / "ä & <b>.tif", *values)
    with Image.open(tmp_path / "ä & <b>.tif") as opened:
        assert opened.mode == modes[dtype]
    np.testing.assert_array_equal(read(tmp_path / "ä & <b>.tif"), np.stack(values, axis=-1))
    with opened_raster(tmp_path / "ä & <b>.tif") as stack:
        assert stack.dtypes == (np.dtype(dtype).name,) * 3
        window = rasterio.windows.Window(5, 7, 11, 13)
        np.testing.assert_array_equal(stack.read(2, window=window), values[1][7:20, 5:16])


def test_pages_are_found_from_where_one_stands(tmp_path, monkeypatch):
    pages(tmp_path / "a.tif", *(picture(seed)[..., 0] for seed in range(3)))
    monkeypatch.chdir(tmp_path)
    from pathlib import Path

    assert read(Path("a.tif")).shape == (24, 32, 3)


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ((picture(0)[..., 0], picture(1, 12, 16)[..., 0]), r"2 pages \(24x32x1 uint8, 12x16x1 uint8\)"),
        ((picture(0)[..., 0], picture(1)[..., 0].astype(np.uint16)), r"2 pages \(24x32x1 uint8, 24x32x1 uint16\)"),
        ((picture(0), picture(1)), r"2 pages \(24x32x3 uint8\); .* with one band each; save the page that is meant"),
    ],
)
def test_pages_that_are_no_bands_are_refused(tmp_path, arrays, complaint):
    pages(tmp_path / "a.tif", *arrays)
    with pytest.raises(DataError, match=complaint) as raised:
        read(tmp_path / "a.tif")
    assert "\n" not in str(raised.value)


def test_a_mask_of_pages_is_refused(tmp_path):
    pages(tmp_path / "a.tif", ids(0), ids(1))
    with pytest.raises(DataError, match="2 bands; a mask of ids has 1"):
        read_values(tmp_path / "a.tif", coloured=False)


def test_overviews_and_masks_are_no_pages(tmp_path):
    bands = np.random.default_rng(0).integers(0, 255, (1, 64, 64)).astype(np.uint8)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        raster(tmp_path / "a.tif", bands)
        with rasterio.open(tmp_path / "a.tif", "r+") as file:
            file.write_mask(np.full((64, 64), 255, np.uint8))
            file.build_overviews([2, 4])
    with rasterio.open(tmp_path / "a.tif") as file:
        assert file.overviews(1) == [2, 4]
        assert rasterio.enums.MaskFlags.per_dataset in file.mask_flag_enums[0]
    np.testing.assert_array_equal(read(tmp_path / "a.tif"), np.moveaxis(bands, 0, -1))


def test_truncated_pages_are_refused(tmp_path):
    pages(tmp_path / "a.tif", *(picture(seed, 64, 64)[..., 0] for seed in range(3)))
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"a\.tif: .*"):
        read(tmp_path / "a.tif")


def test_numbers_are_those_that_the_file_declares(tmp_path):
    stored = np.random.default_rng(0).integers(0, 2**16, (3, 24, 32)).astype(np.uint16)
    scales, offsets = (1e-4, 2e-4, 1.0), (-0.1, 0.0, 5.0)
    raster(tmp_path / "a.tif", stored, scales, offsets)
    assert kind_of(tmp_path / "a.tif").dtype == "float32"
    found = read(tmp_path / "a.tif")
    expected = stored.astype(np.float64) * np.reshape(scales, (3, 1, 1)) + np.reshape(offsets, (3, 1, 1))
    np.testing.assert_allclose(found, np.moveaxis(expected, 0, -1), rtol=1e-6)
    assert found.dtype == np.float32


def test_a_data_set_of_scaled_files_equals_one_of_floats(tmp_path):
    """Of which one file has another offset, as Sentinel-2 products before and after 2022 have."""
    for index in range(10):
        meant = np.random.default_rng(index).integers(0, 9000, (2, 24, 32))
        offset = 1000 if index % 2 else 0
        raster(tmp_path / f"tags/images/{index}.tif", (meant + offset).astype(np.uint16), [0.5] * 2, [-offset / 2] * 2)
        raster(tmp_path / f"floats/images/{index}.tif", (meant * 0.5).astype(np.float32))
        for folder in ("tags", "floats"):
            save(tmp_path / f"{folder}/masks/{index}.png", ids(index))
    tags, floats = (load(tmp_path / folder, images="images/*.tif") for folder in ("tags", "floats"))
    assert {image.tobytes() for image in everything(tags)[0]} == {image.tobytes() for image in everything(floats)[0]}
    np.testing.assert_array_equal(tags.normalization.mean, floats.normalization.mean)


def test_files_that_declare_a_scale_among_others_are_refused(tmp_path):
    for index in range(10):
        stored = np.random.default_rng(index).integers(0, 9000, (2, 24, 32)).astype(np.uint16)
        raster(tmp_path / f"images/{index}.tif", stored, *([[0.5] * 2, [0.0] * 2] if index == 4 else []))
        save(tmp_path / f"masks/{index}.png", ids(index))
    with pytest.raises(DataError, match=r"4\.tif: 2 bands of float32 where the first image has 2 of uint16"):
        load(tmp_path, images="images/*.tif")


@pytest.mark.parametrize("scale", [0.0, float("nan")])
def test_a_scale_that_cannot_be_meant_is_none(tmp_path, scale):
    stored = np.random.default_rng(0).integers(0, 2**16, (1, 24, 32)).astype(np.uint16)
    raster(tmp_path / "a.tif", stored, [scale], [0.0])
    np.testing.assert_array_equal(read(tmp_path / "a.tif")[..., 0], stored[0])


def test_complex_numbers_are_refused(tmp_path):
    """As radar products hold them; half of each would be dropped."""
    raster(tmp_path / "a.tif", np.full((1, 24, 32), 1 + 2j, np.complex64))
    with pytest.raises(DataError, match=r"complex numbers \(complex64\); save real ones"):
        kind_of(tmp_path / "a.tif")
