"""TIFF and GeoTIFF in folders."""

import builtins
from pathlib import Path

import numpy as np
import pytest

from segsweep.config.data_schema import ImageFolderConfig, PatchConfig
from segsweep.data.image_files import decoders, kind_of, read_image
from segsweep.data.sources import load_dataset
from segsweep.errors import DataError

rasterio = pytest.importorskip("rasterio")


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = np.moveaxis(np.atleast_3d(pixels), -1, 0)
    shape = {"height": bands.shape[1], "width": bands.shape[2], "count": len(bands)}
    with rasterio.open(path, "w", driver="GTiff", dtype=pixels.dtype, **shape) as file:
        file.write(bands)


def image(index, dtype=np.uint16, bands=6):
    return np.random.default_rng(index).integers(0, 9000, (20, 24, bands)).astype(dtype)


@pytest.fixture
def folder(tmp_path):
    for index in range(8):
        write(tmp_path / f"images/{index}.tif", image(index))
        write(tmp_path / f"masks/{index}.tif", (image(index)[..., 0] > 4000).astype(np.uint8))
    return tmp_path


def load(root, **settings):
    settings = {"images": "images/*.tif", "masks": "masks/*.tif", "classes": ["low", "high"], **settings}
    return load_dataset(ImageFolderConfig(root=str(root), **settings))


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
def test_any_bands_and_types_are_read_as_they_are(tmp_path, dtype):
    for index in range(8):
        write(tmp_path / f"images/{index}.tif", image(index, dtype))
        write(tmp_path / f"masks/{index}.tif", (image(index)[..., 0] > 4000).astype(np.float32))
    dataset = load(tmp_path, bands=list("abcdef"), rgb=[5, 1, 0])
    images, labels = dataset.train.read(np.arange(len(dataset.train)))
    assert images.dtype == dtype
    assert {each.tobytes() for each in images} <= {image(index, dtype).tobytes() for index in range(8)}
    np.testing.assert_array_equal(labels, images[..., 0] > 4000)


def test_bands_are_chosen_images_cut_and_resized(folder):
    dataset = load(folder, channels=[5, 0], patch=PatchConfig(size=16))
    assert dataset.train.image_shape == (16, 16, 2)
    assert dataset.bands == ("band_5", "band_0")
    assert load(folder, size=[16, 16]).train.image_shape == (16, 16, 6)


def test_a_real_scene_is_read(shared_data):
    path = shared_data / "s2_geotiff_ftw_austria" / "inference-img.tif"
    read = read_image(path, kind_of(path))
    with rasterio.open(path) as file:
        assert read.shape == (file.height, file.width, 8)
        np.testing.assert_array_equal(read[..., 3], file.read(4))
    assert read.dtype == np.uint16


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda root: write(root / "images/3.tif", image(3, bands=4)), r"3\.tif: 4 bands of uint16 .* 6 of uint16"),
        (lambda root: write(root / "images/3.tif", image(3, np.float32)), r"3\.tif: 6 bands of float32 .* of uint16"),
        (lambda root: write(root / "masks/3.tif", image(3, bands=3)), r"masks/3\.tif: 3 bands; a mask of ids has 1"),
        (
            lambda root: write(root / "masks/3.tif", np.full((20, 24), 0.5, np.float32)),
            r"masks/3\.tif: holds fractions",
        ),
        (lambda root: (root / "images/3.tif").write_bytes(b"II*\0"), r"images/3\.tif: cannot be read .*truncated"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(folder, change, complaint):
    change(folder)
    with pytest.raises(DataError, match=complaint):
        load(folder)


def test_infinite_values_are_refused(tmp_path):
    for index in range(8):
        pixels = image(index, np.float32)
        if index == 4:
            pixels[2, 3] = np.inf
            pixels[5, 5] = np.nan
        write(tmp_path / f"images/{index}.tif", pixels)
        write(tmp_path / f"masks/{index}.tif", (image(index)[..., 0] > 4000).astype(np.uint8))
    with pytest.raises(DataError, match=r"4\.tif: 6 infinite values"):
        load(tmp_path)


def test_without_rasterio_the_command_is_named(folder, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("rasterio"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DataError, match=r"TIFF files need rasterio; pip install 'segsweep\[geo\]'"):
        load(folder)


def test_what_reads_a_file_is_known_by_its_ending():
    assert set(decoders([Path("a.png"), Path("b.jpg")])) == {"pillow"}
    assert set(decoders([Path("a.png"), Path("b.TIF")])) == {"pillow", "rasterio", "gdal"}
