"""Pictures of which Pillow drops something without a word: read whole, or refused."""

import builtins

import numpy as np
import pytest
import rasterio
from PIL import Image
from saved_folders import everything, ids, load, picture, save
from shared_cases import made

from segsweep.data.image_files import kind_of, read_image
from segsweep.data.mask_files import read_values
from segsweep.errors import DataError


def deep(path, bands, **exif):
    """A PNG of 16 bits, of bands (B, H, W) uint16."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = bands.shape
    with rasterio.open(path, "w", driver="PNG", count=count, height=height, width=width, dtype="uint16") as file:
        file.write(bands)


def sixteen_bits(seed, bands=3):
    return np.random.default_rng(seed).integers(0, 2**16, (bands, 24, 32)).astype(np.uint16)


def test_all_16_bits_of_the_shared_case_are_read(tmp_path):
    images, labels = everything(load(made("rgb16", tmp_path)))
    assert images.dtype == np.uint16
    # 300 on the ground and 360 on what the masks show, with noise of 8: the high byte alone is 1 in both.
    assert abs(images[labels == 0].mean() - 300) < 1
    assert abs(images[labels == 1].mean() - 360) < 1


@pytest.mark.parametrize(("stored", "asked", "read"), [(3, None, 3), (4, None, 3), (4, 4, 4), (2, None, 1)])
def test_colours_of_16_bits_are_read_as_gdal_reads_them(tmp_path, stored, asked, read):
    """With a fourth band where it is asked for; else what is transparent is left out, as of 8 bits."""
    bands = sixteen_bits(0, stored)
    deep(tmp_path / "a.png", bands)
    found = read_image(tmp_path / "a.png", kind_of(tmp_path / "a.png", asked))
    np.testing.assert_array_equal(found, np.moveaxis(bands[:read], 0, -1))
    assert kind_of(tmp_path / "a.png", asked).bands == read


def test_colours_of_16_bits_are_called_red_green_and_blue_and_turned(tmp_path):
    exif = Image.Exif()
    exif[0x112] = 6
    for index in range(10):
        deep(tmp_path / f"images/{index}.png", sixteen_bits(index))
        save(tmp_path / f"masks/{index}.png", ids(index))
    assert load(tmp_path).bands == ("red", "green", "blue")
    path = tmp_path / "images/3.png"
    content, chunk = path.read_bytes(), b"eXIf" + exif.tobytes()[6:]
    import struct
    import zlib

    late = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    end = content.rindex(b"IEND") - 4
    path.write_bytes(content[:end] + late + content[end:])
    found = read_image(path, kind_of(path))
    np.testing.assert_array_equal(found, np.rot90(np.moveaxis(sixteen_bits(3), 0, -1), -1))


def test_without_rasterio_the_command_is_named(tmp_path, monkeypatch):
    deep(tmp_path / "a.png", sixteen_bits(0))
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("rasterio"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DataError, match=r"PNG files of 16 bits a colour need rasterio; pip install 'segsweep\[geo\]'"):
        read_image(tmp_path / "a.png", kind_of(tmp_path / "a.png"))


def test_a_truncated_one_is_refused(tmp_path):
    deep(tmp_path / "a.png", sixteen_bits(0))
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="truncated"):
        read_image(tmp_path / "a.png", kind_of(tmp_path / "a.png"))


def test_a_mask_of_colours_of_16_bits_is_refused(tmp_path):
    deep(tmp_path / "a.png", sixteen_bits(0))
    with pytest.raises(DataError, match="colours of 16 bits, of which 8 would be lost"):
        read_values(tmp_path / "a.png", coloured=True)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_ids_of_a_few_bits_are_read_as_they_are_stored(tmp_path, bits):
    """Pillow spreads them over 0 to 255; GDAL gives them as they are."""
    stored = np.random.default_rng(0).integers(0, 2**bits, (24, 32)).astype(np.uint8)
    profile = {"driver": "PNG", "count": 1, "height": 24, "width": 32, "dtype": "uint8", "nbits": bits}
    with rasterio.open(tmp_path / "a.png", "w", **profile) as file:
        file.write(stored, 1)
    with Image.open(tmp_path / "a.png") as opened:
        assert opened.tile[0].args == {1: "1", 2: "L;2", 4: "L;4"}[bits]
    np.testing.assert_array_equal(read_values(tmp_path / "a.png", coloured=False), stored)


def frames(count):
    return [Image.fromarray(picture(number)) for number in range(count)]


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
@pytest.mark.parametrize("folder", ["images", "masks"])
def test_animations_are_refused(tmp_path, suffix, folder):
    for index in range(10):
        save(tmp_path / f"images/{index}.{suffix}", picture(index))
        save(tmp_path / f"masks/{index}.png", ids(index))
    broken = tmp_path / f"images/4.{suffix}" if folder == "images" else tmp_path / "masks/4.png"
    first, *others = frames(3)
    first.save(broken, save_all=True, append_images=others)
    with pytest.raises(DataError, match=r"4\.\w+: is animated, and of its 3 images only one could be read"):
        load(tmp_path, images=f"images/*.{suffix}")


def test_the_first_image_of_several_views_of_a_camera_is_read(tmp_path):
    """MPO: drones and telephones write it with the suffix of JPEG."""
    first, *others = frames(2)
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=others, quality=95)
    assert read_image(tmp_path / "a.jpg", kind_of(tmp_path / "a.jpg")).shape == (24, 32, 3)


def grey(seed):
    return picture(seed)[..., 0]


@pytest.mark.parametrize(
    ("first", "another", "complaint"),
    [
        (grey(0), picture(4), r"4\.png: colours where the first image is grey"),
        (
            grey(0).astype(np.uint16) * 200,
            grey(4),
            r"4\.png: pixels of 8 bits \(uint8\) where the first image has more",
        ),
        (
            grey(0),
            grey(4).astype(np.uint16) * 200,
            r"4\.png: pixels of more than 8 bits \(uint16\) where .* has 8 bits",
        ),
    ],
)
def test_images_that_are_not_alike_are_refused(tmp_path, first, another, complaint):
    for index in range(10):
        save(tmp_path / f"images/{index}.png", another if index == 4 else first + np.uint8(index))
        save(tmp_path / f"masks/{index}.png", ids(index))
    with pytest.raises(DataError, match=complaint):
        load(tmp_path)


def test_a_picture_of_three_bands_among_those_of_four_is_refused(tmp_path):
    for index in range(10):
        near_infrared = np.dstack([picture(index), grey(index)])
        save(tmp_path / f"images/{index}.png", picture(index) if index == 4 else near_infrared)
        save(tmp_path / f"masks/{index}.png", ids(index))
    with pytest.raises(DataError, match=r"4\.png: 3 bands where the first image has 4"):
        load(tmp_path, bands=["red", "green", "blue", "nir"])


def test_grey_pictures_that_are_stored_as_colours_are_read_among_grey_ones(tmp_path):
    for index in range(10):
        save(tmp_path / f"images/{index}.png", np.dstack([grey(index)] * 3) if index == 4 else grey(index))
        save(tmp_path / f"masks/{index}.png", ids(index))
    images, _ = everything(load(tmp_path))
    assert {image.tobytes() for image in images} == {grey(index).tobytes() for index in range(10)}


@pytest.mark.parametrize(("highest", "right"), [(65535, True), (65536, False)])
def test_integers_beyond_16_bits_are_not_clipped(tmp_path, highest, right):
    """FITS is one of the few formats that hold them."""
    pixels = np.full((24, 32), 7, np.int32)
    pixels[0, 0] = highest
    header = b"SIMPLE  =                    T", b"BITPIX  =                   32", b"NAXIS   =                    2"
    header += b"NAXIS1  =                   32", b"NAXIS2  =                   24", b"END"
    text = b"".join(line.ljust(80) for line in header)
    path = tmp_path / "a.fits"
    path.write_bytes(text.ljust(2880) + pixels.astype(">i4").tobytes())
    try:
        kind = kind_of(path)
    except DataError:
        pytest.skip("this Pillow reads no FITS")
    if right:
        assert read_image(path, kind).max() == highest
    else:
        with pytest.raises(DataError, match=r"values from \d+ to 65536"):
            read_image(path, kind)


def test_a_ppm_of_16_bits_is_refused_and_one_of_8_read(tmp_path):
    pixels = sixteen_bits(0).transpose(1, 2, 0)
    (tmp_path / "a.ppm").write_bytes(b"P6\n32 24\n65535\n" + pixels.astype(">u2").tobytes())
    with pytest.raises(DataError, match="colours of 16 bits, of which 8 would be lost; save it as PNG or TIFF"):
        kind_of(tmp_path / "a.ppm")
    (tmp_path / "a.ppm").write_bytes(b"P6\n32 24\n255\n" + picture(0).tobytes())
    np.testing.assert_array_equal(read_image(tmp_path / "a.ppm", kind_of(tmp_path / "a.ppm")), picture(0))
