"""Turning images upright, against Pillow's own `ImageOps.exif_transpose`."""

import struct

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from segsweep.data.orientation import exchanges_sides, orientation_of, stored, tiff_orientation, turned, upright

EVERY = range(1, 9)


def noise(height=5, width=7, bands=3):
    return np.random.default_rng(0).integers(0, 256, (height, width, bands)).astype(np.uint8)


def with_exif(value):
    exif = Image.Exif()
    exif[0x112] = value
    return exif


@pytest.mark.parametrize("value", EVERY)
@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "I;16"])
def test_pictures_and_arrays_are_turned_as_pillow_turns_them(tmp_path, value, mode):
    pixels = noise()[..., 0]
    image = (
        Image.fromarray(pixels.astype(np.uint16) * 200) if mode == "I;16" else Image.fromarray(noise()).convert(mode)
    )
    image.save(tmp_path / "a.png", exif=with_exif(value))
    with Image.open(tmp_path / "a.png") as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened))
    with Image.open(tmp_path / "a.png") as opened:
        assert orientation_of(opened) == value
        found = np.asarray(upright(opened))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(turned(np.asarray(image), value), expected)
    np.testing.assert_array_equal(stored(expected, value), np.asarray(image))
    assert exchanges_sides(value) == (expected.shape[:2] == (7, 5))


@pytest.mark.parametrize("value", EVERY)
@pytest.mark.parametrize("big", [False, True])
def test_the_tag_of_a_tiff_is_found(tmp_path, value, big):
    Image.fromarray(noise()).save(tmp_path / "a.tif", tiffinfo={274: value}, big_tiff=big)
    assert tiff_orientation(tmp_path / "a.tif") == value


def test_the_tag_of_a_tiff_of_the_other_byte_order_is_found(tmp_path):
    head = b"MM" + struct.pack(">HI", 42, 8) + struct.pack(">H", 1) + struct.pack(">HHIHH", 274, 3, 1, 6, 0)
    (tmp_path / "a.tif").write_bytes(head)
    assert tiff_orientation(tmp_path / "a.tif") == 6


@pytest.mark.parametrize(
    "content", [b"", b"II", b"II*\0", b"hello, world", b"II*\0\xff\xff\xff\xff", b"MM\0+" + bytes(9)]
)
def test_a_file_that_is_no_tiff_has_no_tag(tmp_path, content):
    (tmp_path / "a.tif").write_bytes(content)
    assert tiff_orientation(tmp_path / "a.tif") == 1


@pytest.mark.parametrize("value", [0, 9, 274])
def test_an_orientation_that_does_not_exist_counts_as_none(tmp_path, value):
    Image.fromarray(noise()).save(tmp_path / "a.jpg", exif=with_exif(value))
    with Image.open(tmp_path / "a.jpg") as opened:
        assert orientation_of(opened) == 1


def test_damaged_exif_counts_as_none(tmp_path):
    Image.fromarray(noise()).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + bytes(range(40)))
    with Image.open(tmp_path / "a.jpg") as opened:
        assert orientation_of(opened) == 1
        assert upright(opened) is opened


def test_exif_behind_the_pixels_of_a_png_is_found(tmp_path):
    """ExifTool puts it there."""
    Image.fromarray(noise()).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    chunk = b"eXIf" + with_exif(8).tobytes()[6:]
    import zlib

    late = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    end = content.rindex(b"IEND") - 4
    (tmp_path / "a.png").write_bytes(content[:end] + late + content[end:])
    with Image.open(tmp_path / "a.png") as opened:
        assert np.asarray(upright(opened)).shape == (7, 5, 3)


def test_an_orientation_in_xmp_is_found(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", '<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>')
    Image.fromarray(noise()).save(tmp_path / "a.png", pnginfo=info)
    with Image.open(tmp_path / "a.png") as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened))
    assert expected.shape == (7, 5, 3)
    with Image.open(tmp_path / "a.png") as opened:
        np.testing.assert_array_equal(np.asarray(upright(opened)), expected)


def test_a_png_without_exif_is_not_decoded_to_ask_it(tmp_path):
    Image.fromarray(noise()).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as opened:
        assert orientation_of(opened) == 1
        assert opened.tile
