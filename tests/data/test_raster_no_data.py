"""What rasters declare to be no data, as rasterio's own masks say it."""

from pathlib import Path

import numpy as np
import pytest
from shared_cases import made

from segsweep.config.data_schema import ImageFolderConfig, PatchConfig
from segsweep.data.dataset import IGNORE
from segsweep.data.image_files import kind_of, read_image
from segsweep.data.no_data import NoDataRule
from segsweep.data.raster_no_data import declared
from segsweep.data.sources import load_dataset, remarks
from segsweep.errors import DataError

rasterio = pytest.importorskip("rasterio")

LOWEST = float(np.finfo(np.float32).min)


def write(path: Path, pixels: np.ndarray, nodata=None, mask=None, **settings) -> None:
    """An image (H, W, C) or a mask (H, W) as GeoTIFF."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = np.moveaxis(np.atleast_3d(pixels), -1, 0)
    shape = {"height": bands.shape[1], "width": bands.shape[2], "count": len(bands), "dtype": pixels.dtype}
    with rasterio.open(path, "w", driver="GTiff", nodata=nodata, **shape, **settings) as file:
        file.write(bands)
        if mask is not None:
            file.write_mask(mask)


def numbers(seed: int, bands: int, dtype=np.int16, low: int = 1, high: int = 250) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, (20, 24, bands)).astype(dtype)


def folder(root: Path, images: list[np.ndarray], **settings) -> Path:
    for index, image in enumerate(images):
        write(root / f"images/{index}.tif", image, **settings)
        write(root / f"masks/{index}.tif", numbers(index, 1, np.uint8, 0, 2)[..., 0])
    return root


def load(root, **settings):
    settings = {"images": "images/*.tif", "masks": "masks/*.tif", "classes": ["low", "high"], **settings}
    return load_dataset(ImageFolderConfig(root=str(root), **settings))


def everything(dataset):
    parts = [split.read(np.arange(len(split))) for split in (dataset.train, dataset.validation, dataset.test)]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def oracle(path: Path) -> np.ndarray:
    """What rasterio says is invalid, (H, W, C)."""
    with rasterio.open(path) as file:
        return np.moveaxis(file.read_masks(), 0, -1) == 0


@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [
        *((np.uint8, value) for value in (0, 255)),
        (np.int16, -9999),
        (np.uint16, 65535),
        (np.int32, -(2**31)),
        (np.float32, -9999),
        (np.float32, LOWEST),
        (np.float32, -3.40282306e38),
        (np.float32, 0.1),
        (np.float32, np.nan),
        (np.float64, -1.7976931348623157e308),
    ],
)
def test_a_nodata_value(tmp_path, dtype, nodata):
    pixels = numbers(0, 3, dtype)
    filled = pixels.copy()
    filled[:5, :, 0] = filled[3:7, 2:9] = nodata
    write(tmp_path / "a.tif", filled, nodata)
    read = read_image(tmp_path / "a.tif", kind_of(tmp_path / "a.tif"))
    np.testing.assert_array_equal(np.isnan(read), oracle(tmp_path / "a.tif"))
    assert np.isnan(read).sum() == 5 * 24 + 4 * 7 * 3 - 2 * 7
    np.testing.assert_array_equal(read[~np.isnan(read)], pixels[~np.isnan(read)])


@pytest.mark.parametrize("written", [LOWEST, -3.40282306e38])
def test_the_lowest_float_with_too_few_digits(tmp_path, written):
    pixels = numbers(0, 2, np.float32)
    pixels[3] = LOWEST
    pixels[4, 0] = -3.0e38
    write(tmp_path / "a.tif", pixels, written)
    read = read_image(tmp_path / "a.tif", kind_of(tmp_path / "a.tif"))
    np.testing.assert_array_equal(np.isnan(read[:4]), oracle(tmp_path / "a.tif")[:4])
    assert np.isnan(read).sum() == 2 * 24
    assert (read[4, 0] == np.float32(-3.0e38)).all()


@pytest.mark.parametrize("sidecar", [False, True])
def test_a_mask(tmp_path, sidecar):
    pixels, there = numbers(0, 3, np.uint16), np.ones((20, 24), bool)
    there[4:9, 3:] = False
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=not sidecar):
        write(tmp_path / "a.tif", pixels, mask=there)
    assert (tmp_path / "a.tif.msk").exists() == sidecar
    read = read_image(tmp_path / "a.tif", kind_of(tmp_path / "a.tif"))
    np.testing.assert_array_equal(np.isnan(read), oracle(tmp_path / "a.tif"))
    np.testing.assert_array_equal(np.isnan(read).all(axis=-1), ~there)


def test_a_sidecar_that_changes_is_seen(tmp_path):
    root = folder(tmp_path, [numbers(index, 3, np.uint16) for index in range(8)])
    assert not np.isnan(everything(load(root))[0].astype(float)).any()
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(root / "images/0.tif", "r+") as file:
        file.write_mask(np.eye(20, 24) == 0)
    assert np.isnan(everything(load(root, cache_mib=1))[0]).sum() == 20 * 3


def test_an_alpha_band_of_a_mask(tmp_path):
    images = [numbers(index, 4, np.uint8) for index in range(8)]
    for index, image in enumerate(images):
        image[..., 3] = 255
        image[:, : index % 3, 3] = 0
    root = folder(tmp_path, images)
    for channels in (None, [0, 1, 2]):
        dataset = load(root, channels=channels)
        read, labels = everything(dataset)
        missing = sum(20 * (index % 3) for index in range(8))
        assert np.isnan(read).all(axis=-1).sum() == np.isnan(read).any(axis=-1).sum() == missing
        np.testing.assert_array_equal(labels == IGNORE, np.isnan(read).all(axis=-1))
        assert read.shape[-1] == (3 if channels else 4)
        (note,) = [line for line in remarks(dataset) if "alpha" in line]
        assert "band 3 (from 0) of the images is tagged as alpha and holds 0 and 255 alone: it is a mask" in note
        assert ("data.channels=[0,1,2]" in note) == (channels is None)
        assert not dataset.alpha_is_band
    for index in range(8):
        with rasterio.open(root / f"images/{index}.tif") as file:
            assert (file.dataset_mask() == 0).sum() == 20 * (index % 3)


def test_an_alpha_band_that_is_named_is_a_band(tmp_path):
    images = [numbers(index, 4, np.uint8) for index in range(8)]
    for image in images:
        image[..., 3] = np.where(image[..., 0] > 100, 255, 0)
    dataset = load(folder(tmp_path, images), channels=[0, 1, 2, 3])
    assert everything(dataset)[0].dtype == np.uint8
    assert dataset.alpha_is_band
    assert any("data.channels names it" in line for line in remarks(dataset))


def test_near_infrared_is_no_mask(tmp_path):
    """GDAL tags the fourth of four bands of 8 bits as alpha."""
    images = [numbers(index, 4, np.uint8, 0, 256) for index in range(8)]
    # Files of which the first looks like a mask decide nothing alone.
    images[0][..., 3] = 255
    images[1][:5, :5, 3] = 0
    root = folder(tmp_path, images)
    with rasterio.open(root / "images/1.tif") as file:
        assert declared(file).alpha == 3
        assert (file.dataset_mask() == 0).any()
    dataset = load(root)
    read, labels = everything(dataset)
    assert read.dtype == np.uint8
    assert read.shape[-1] == 4
    assert (labels != IGNORE).all()
    assert {each.tobytes() for each in read} == {each.tobytes() for each in images}
    assert dataset.alpha_is_band
    (note,) = [line for line in remarks(dataset) if "alpha" in line]
    assert note.endswith("and holds other values than 0 and 255; it is no mask, but a band")
    three = load(root, channels=[0, 1, 2])
    assert not np.isnan(everything(three)[0].astype(float)).any()


def test_a_value_for_files_that_do_not_say_it(tmp_path):
    images = [numbers(index, 3) for index in range(8)]
    for image in images:
        image[:4] = 0
    silent = folder(tmp_path / "silent", images)
    assert np.isnan(everything(load(silent, nodata=0))[0]).sum() == 8 * 4 * 24 * 3
    assert not np.isnan(everything(load(silent))[0].astype(float)).any()
    # What a file says counts.
    said = folder(tmp_path / "said", images, nodata=-1)
    assert not np.isnan(everything(load(said, nodata=0))[0].astype(float)).any()


def test_nan_is_no_data_and_infinity_is_refused(tmp_path):
    images = [numbers(index, 3, np.float32) for index in range(8)]
    images[2][3, 4] = images[5][7, 8, 1] = np.nan
    dataset = load(folder(tmp_path / "nan", images))
    read, labels = everything(dataset)
    assert np.isnan(read).sum() == 4
    assert (labels == IGNORE).sum() == 1
    images[4][0, 0, 0] = -np.inf
    with pytest.raises(DataError, match=r"4\.tif: 1 infinite values .* give them as data\.nodata"):
        load(folder(tmp_path / "inf", images))
    images[4][0, 0, 0] = LOWEST
    assert np.isnan(everything(load(folder(tmp_path / "low", images), nodata=LOWEST))[0]).sum() == 5


def test_images_and_patches_without_data_are_left_out(tmp_path):
    images = [numbers(index, 3) for index in range(10)]
    images[4][:] = -9999
    for image in images[:3]:
        image[:, :8] = -9999
    root = folder(tmp_path, images, nodata=-9999)
    dataset = load(root)
    assert sum(map(len, (dataset.train, dataset.validation, dataset.test))) == 9
    assert "no data: 1 images without any valid pixel are left out" in remarks(dataset)
    cut = load(root, patch=PatchConfig(size=8))
    read, labels = everything(cut)
    assert len(read) == 6 * 9 + 3 * 6
    assert not np.isnan(read).all(axis=(1, 2, 3)).any()
    empty = np.isnan(read).all(axis=-1)
    trained = len(cut.train)
    np.testing.assert_array_equal(labels[:trained] == IGNORE, empty[:trained])
    # Elsewhere, pixels that lie in two patches have a label in one of them.
    assert (labels[empty] == IGNORE).all()
    for index in range(10):
        write(root / f"images/{index}.tif", np.full_like(images[0], -9999), -9999)
    with pytest.raises(DataError, match="no image of the train split has a valid pixel"):
        load(root, cache_mib=3)


@pytest.mark.parametrize("settings", [{"size": [14, 17]}, {"size": [32, 32], "fit": "pad"}])
def test_images_that_are_resized(tmp_path, settings):
    images = [numbers(index, 3, low=500, high=501) for index in range(8)]
    for image in images:
        image[5:15, 4:10] = -9999
    dataset = load(folder(tmp_path, images, nodata=-9999), **settings)
    read, labels = everything(dataset)
    assert read.dtype == np.float32
    assert set(np.unique(read[~np.isnan(read)])) == {500}
    assert np.isnan(read).any()
    assert (labels[np.isnan(read).all(axis=-1)] == IGNORE).all()


@pytest.mark.parametrize(
    ("nodata", "dtype"), [(255, np.uint8), (-1, np.int16), (np.nan, np.float32), (LOWEST, np.float32)]
)
def test_nodata_of_label_rasters_is_ignored(tmp_path, nodata, dtype):
    root = folder(tmp_path, [numbers(index, 3) for index in range(8)])
    for index in range(8):
        labels = numbers(index, 1, dtype, 0, 2)[..., 0]
        labels[:2] = nodata
        write(root / f"masks/{index}.tif", labels, nodata)
    for size in (None, [16, 16]):
        read, labels = everything(load(root, size=size))
        ignored = (labels == IGNORE).sum(axis=(1, 2))
        assert (ignored == 48).all() if size is None else (ignored > 0).all()
        assert set(np.unique(labels)) == {0, 1, IGNORE}
    assert read.dtype == np.int16
    # Without the declaration it is an error, as ever.
    with rasterio.open(root / "masks/3.tif", "r+") as file:
        file.nodata = None
    with pytest.raises(DataError, match=r"masks/3\.tif: (48 pixels of the unknown id|holds fractions)"):
        load(root, cache_mib=1)


def test_nodata_of_label_rasters_that_is_a_class(tmp_path):
    root = folder(tmp_path, [numbers(index, 3) for index in range(8)])
    for index in range(8):
        write(root / f"masks/{index}.tif", numbers(index, 1, np.uint8, 0, 2)[..., 0], 0)
    dataset = load(root)
    assert not (everything(dataset)[1] == IGNORE).any()
    assert "masks declare 0 as nodata, which is the class low; those pixels count as that class" in remarks(dataset)


@pytest.mark.parametrize("tolerance", [0, 20])
def test_nodata_of_coloured_label_rasters(tmp_path, tolerance):
    root = folder(tmp_path, [numbers(index, 3) for index in range(8)])
    palette = {"road": "#6EC1E4", "water": "#0A0A0A"}
    colours = np.array([[0x6E, 0xC1, 0xE4], [10, 10, 10], [0, 0, 0]], np.uint8)
    for index in range(8):
        labels = numbers(index, 1, np.uint8, 0, 2)[..., 0]
        labels[:2] = 2
        write(root / f"masks/{index}.tif", colours[labels], 0)
    dataset = load(root, classes=None, palette=palette, palette_tolerance=tolerance)
    _, labels = everything(dataset)
    np.testing.assert_array_equal(labels[:, :2], IGNORE)
    assert not (labels[:, 2:] == IGNORE).any()


@pytest.mark.parametrize(
    ("case", "missing"), [("nodata", lambda number: 21 * (number % 2)), ("float_nodata", lambda number: 6)]
)
def test_the_shared_cases(tmp_path, case, missing):
    root = made(case, tmp_path)
    dataset = load(root, classes=["a", "b", "c"])
    read, labels = everything(dataset)
    expected = sorted(64 * missing(number) for number in range(24))
    assert sorted((labels == IGNORE).sum(axis=(1, 2)).tolist()) == expected
    np.testing.assert_array_equal(labels == IGNORE, np.isnan(read).any(axis=-1))
    # Against rasterio's masked reading of the training's files.
    files = [rasterio.open(root / f"images/{number:02}.tif") for number in range(24)]
    by_content = {np.ma.filled(file.read(masked=True).astype(np.float32), np.nan).tobytes(): file for file in files}
    train, _ = dataset.train.read(np.arange(len(dataset.train)))
    values = np.ma.stack([by_content[np.moveaxis(each, -1, 0).tobytes()].read(masked=True) for each in train])
    values = values.astype(np.float64)
    np.testing.assert_allclose(dataset.normalization.mean, values.mean(axis=(0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(dataset.normalization.std, values.std(axis=(0, 2, 3)), rtol=1e-6)
    assert any(line.startswith("no data: ") and "of the training pixels" in line for line in remarks(dataset))


def test_the_rule_of_no_data_is_in_no_fingerprint(tmp_path):
    root = folder(tmp_path, [numbers(index, 3) for index in range(8)])
    assert load(root).train.fingerprint == load(root, nodata=-9999).train.fingerprint
    assert load(root).train.reading.no_data == NoDataRule()
    assert load(root).train.fingerprint != load(root, nodata=100).train.fingerprint
