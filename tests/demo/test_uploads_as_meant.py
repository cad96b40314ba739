"""Uploaded files that are stored otherwise than they are meant: as `segsweep predict` reads the same from disk."""

import io
from pathlib import Path, PurePath

import numpy as np
import pytest
import rasterio
from PIL import Image

from segsweep.data.orientation import stored
from segsweep.demo.uploads import uploaded_scene
from segsweep.errors import DataError
from segsweep.predict.scenes import scenes_in


def pixels(scene):
    with scene.opened() as reader:
        return reader.read(scene.whole, tuple(range(scene.bands)))


def invalid(scene):
    """(C, H, W) bool."""
    with scene.opened() as reader:
        every = tuple(range(scene.bands))
        found = reader.invalid(reader.read(scene.whole, every), scene.whole, every)
    return np.zeros((scene.bands, scene.height, scene.width), bool) if found is None else found


def noise(bands=3, dtype=np.uint16):
    return np.random.default_rng(0).integers(0, 200, (bands, 24, 32)).astype(dtype)


def deep(path):
    with rasterio.open(path, "w", driver="PNG", count=3, height=24, width=32, dtype="uint16") as file:
        file.write(noise() * 300)


def pages(path):
    first, *others = map(Image.fromarray, noise(4))
    first.save(path, save_all=True, append_images=others)


def turned(path):
    Image.fromarray(stored(np.moveaxis(noise(dtype=np.uint8), 0, -1), 8)).save(path, tiffinfo={274: 8, 42113: "7"})


def scaled(path):
    with rasterio.open(path, "w", driver="GTiff", count=3, height=24, width=32, dtype="uint16", nodata=7) as file:
        file.write(noise())
        file.scales, file.offsets = [0.5] * 3, [-1.0] * 3


@pytest.mark.parametrize(
    ("name", "write", "expected"),
    [
        ("a.png", deep, noise() * 300),
        ("a.tif", pages, noise(4)),
        ("a.tif", turned, noise()),
        ("a.tif", scaled, noise() * 0.5 - 1),
    ],
)
def test_uploads_are_read_as_files_are(tmp_path, name, write, expected):
    path = tmp_path / name
    write(path)
    scene = uploaded_scene(PurePath(name), path.read_bytes(), 3)
    np.testing.assert_array_equal(pixels(scene), expected)
    (from_disk,) = scenes_in(path, 3, None, Path())
    np.testing.assert_array_equal(pixels(scene), pixels(from_disk))
    np.testing.assert_array_equal(invalid(scene), invalid(from_disk))
    if write in (turned, scaled):
        np.testing.assert_array_equal(invalid(scene), noise() == 7)
    assert (scene.dtype, scene.height, scene.width) == (from_disk.dtype, from_disk.height, from_disk.width)
    assert (scene.as_stored is None) == (from_disk.as_stored is None)


def test_what_cannot_be_read_whole_is_refused():
    file = io.BytesIO()
    first, second = (Image.fromarray(noise(dtype=np.uint8)[band]) for band in (0, 1))
    first.save(file, format="PNG", save_all=True, append_images=[second])
    with pytest.raises(DataError, match=r"a\.png: is animated"):
        uploaded_scene(PurePath("a.png"), file.getvalue(), 1)
    file = io.BytesIO()
    first.save(file, format="TIFF", save_all=True, append_images=[second.resize((9, 9))])
    with pytest.raises(DataError, match=r"a\.tif: 2 pages"):
        uploaded_scene(PurePath("a.tif"), file.getvalue(), 1)


def test_a_truncated_picture_of_16_bits_is_refused(tmp_path):
    deep(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    with pytest.raises(DataError, match="truncated"):
        uploaded_scene(PurePath("a.png"), content[: len(content) // 2], 3)
