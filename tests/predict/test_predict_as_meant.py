"""Predictions of files that are stored otherwise than they are meant: turned, scaled, of 16 bits, in pages."""

from pathlib import Path

import handmade_models as handmade
import numpy as np
import pytest
import rasterio
from PIL import Image
from predicting import complaint, expected_ids, picture, predict
from rasterio.transform import from_origin

from segsweep.data.orientation import stored
from segsweep.predict import picture_scene as pictures
from segsweep.predict.adapted_readers import turned_scene
from segsweep.predict.raster_scene import raster_scene
from segsweep.predict.scene import Window

EVERY = range(2, 9)
NOTE = "{} of {} images were turned upright, as the orientation in the file says"


def tiff(path, bands, scales=None, offsets=None, **settings):
    count, height, width = bands.shape
    shape = {"count": count, "height": height, "width": width, "dtype": bands.dtype}
    with rasterio.open(path, "w", driver="GTiff", **shape, **settings) as file:
        file.write(bands)
        if scales is not None:
            file.scales, file.offsets = [scales] * count, [offsets] * count


def ids(path):
    with rasterio.open(path) as file:
        return file.read(1)


@pytest.mark.parametrize("orientation", [3, 6])
def test_maps_of_photographs_are_upright(folder, capfd, orientation):
    exif = Image.Exif()
    exif[0x112] = orientation
    Image.fromarray(stored(picture(), orientation)).save("stored.png", exif=exif)
    assert predict("rgb.tflite", "stored.png", "photo.png", "--output", "out", "--write", "ids,probabilities") == 0
    with Image.open("out/stored_ids.png") as made:
        np.testing.assert_array_equal(np.asarray(made), expected_ids(picture()))
    np.testing.assert_array_equal(np.load("out/stored_probabilities.npy"), np.load("out/photo_probabilities.npy"))
    assert NOTE.format(1, 2) in capfd.readouterr().err


@pytest.mark.parametrize("orientation", EVERY)
def test_maps_of_tiffs_are_upright(folder, orientation):
    Image.fromarray(stored(picture(50, 130), orientation)).save("stored.tif", tiffinfo={274: orientation})
    assert predict("rgb.tflite", "stored.tif", "--output", "out", "--write", "ids,overlay") == 0
    np.testing.assert_array_equal(ids("out/stored_ids.tif"), expected_ids(picture(50, 130)))
    with rasterio.open("out/stored_overlay.tif") as made:
        assert made.shape == (50, 130)


@pytest.mark.parametrize("orientation", EVERY)
def test_every_window_of_a_turned_scene_is_that_of_the_upright_one(workplace, orientation):
    bands = np.random.default_rng(0).integers(1, 99, (2, 40, 60)).astype(np.uint8)
    bands[:, 5:9, 30:50] = 0
    tiff("upright.tif", bands, nodata=0)
    tiff("stored.tif", np.moveaxis(stored(np.moveaxis(bands, 0, -1), orientation), -1, 0), nodata=0)
    scene = turned_scene(raster_scene(Path("stored.tif"), None), orientation)
    expected = raster_scene(Path("upright.tif"), None)
    assert (scene.height, scene.width, scene.turned) == (40, 60, True)
    with scene.opened() as reader, expected.opened() as upright:
        for window in (scene.whole, Window(3, 20, 7, 59), Window(20, 33, 7, 59), Window(0, 4, 0, 1)):
            pixels = reader.read(window, (1, 0))
            np.testing.assert_array_equal(pixels, upright.read(window, (1, 0)))
            invalid = reader.invalid(pixels, window, (1, 0))
            wanted = upright.invalid(pixels, window, (1, 0))
            assert (invalid is None) == (wanted is None)
            if wanted is not None:
                np.testing.assert_array_equal(invalid, wanted)


def test_a_tiff_with_an_orientation_and_a_place_is_refused(folder, capfd):
    Image.fromarray(picture()).save("scene.tif", tiffinfo={274: 6})
    with rasterio.open("scene.tif", "r+") as file:
        file.transform, file.crs = from_origin(500_000, 5_000_000, 10, 10), "EPSG:32633"
    assert "orientation tag (6)" in complaint(capfd, "rgb.tflite", "scene.tif", "--output", "out")


def test_all_16_bits_of_a_picture_are_mapped(folder):
    Path("deep.tflite").write_bytes(handmade.pixelwise(3))
    scene = handmade.noise(50, 70, 3)
    with rasterio.open("deep.png", "w", driver="PNG", count=3, height=50, width=70, dtype="uint16") as file:
        file.write(np.moveaxis(scene, -1, 0))
    assert predict("deep.tflite", "deep.png", "--output", "out") == 0
    with Image.open("out/deep_ids.png") as made:
        np.testing.assert_array_equal(np.asarray(made), expected_ids(scene))


def test_the_pages_of_a_tiff_are_its_bands(folder, capfd):
    scene = handmade.noise(150, 170)
    first, *others = (Image.fromarray(band) for band in np.moveaxis(scene, -1, 0))
    first.save("pages.tif", save_all=True, append_images=others)
    assert predict("four.tflite", "pages.tif", "--output", "out") == 0
    np.testing.assert_array_equal(ids("out/pages_ids.tif"), handmade.pixelwise_shares(scene).argmax(axis=-1))
    capfd.readouterr()
    Image.fromarray(scene[..., 0]).save("uneven.tif", save_all=True, append_images=[Image.fromarray(scene[:9, :9, 0])])
    assert "2 pages" in complaint(capfd, "four.tflite", "uneven.tif", "--output", "other")


@pytest.fixture
def scaled(folder):
    """A scene whose numbers are meant as stored x 0.5 - 3, one without them, and what is meant in floats."""
    values = np.moveaxis(handmade.noise(50, 70), -1, 0)
    values[:, :5] = 0
    tiff("tags.tif", values, 0.5, -3.0, nodata=0)
    tiff("raw.tif", values, nodata=0)
    tiff("floats.tif", np.where(values == 0, np.nan, values * 0.5 - 3).astype(np.float32))
    Path("floats.tflite").write_bytes(handmade.pixelwise(4, dtype="float32"))
    Path("foreign.tflite").write_bytes(handmade.pixelwise(4, dtype=""))
    return folder


@pytest.mark.parametrize(
    ("model", "options", "same_as", "note"),
    [
        ("floats.tflite", [], "floats", "declares a scale or an offset of its values, which is applied; --scale 1"),
        ("foreign.tflite", [], "floats", "which is applied; --scale 1"),
        ("four.tflite", [], "raw", "not applied, since the model was trained on uint16, numbers as they are stored"),
        ("floats.tflite", ["--scale", "1"], "raw", ""),
        ("foreign.tflite", ["--scale", "1"], "raw", ""),
    ],
)
def test_a_declared_scale_is_applied_as_the_model_was_trained(scaled, capfd, model, options, same_as, note):
    options = ["--write", "ids,probabilities", *options]
    assert predict(model, "tags.tif", "--output", "tags", *options) == 0
    err = capfd.readouterr().err
    assert note in err
    assert ("declares a scale" in err) == bool(note)
    if model == "four.tflite" and same_as == "floats":
        options += ["--scale", "1"]
    assert predict(model, f"{same_as}.tif", "--output", "other", *options) == 0
    found, expected = rasterio.open("tags/tags_probabilities.tif"), rasterio.open(f"other/{same_as}_probabilities.tif")
    with found, expected:
        np.testing.assert_allclose(found.read(), expected.read(), atol=1e-6)
    np.testing.assert_array_equal(ids("tags/tags_ids.tif"), ids(f"other/{same_as}_ids.tif"))
    assert (ids("tags/tags_ids.tif")[:5] == 255).all()


def test_each_band_has_the_scale_that_was_declared_for_it(folder):
    values = np.moveaxis(handmade.noise(50, 70), -1, 0)
    tiff("tags.tif", values)
    scales = np.array([0.5, 1.0, 2.0, 4.0])
    with rasterio.open("tags.tif", "r+") as file:
        file.scales = scales
    tiff("floats.tif", (values * scales[:, None, None]).astype(np.float32))
    Path("floats.tflite").write_bytes(handmade.pixelwise(4, dtype="float32"))
    for name in ("tags", "floats"):
        assert predict("floats.tflite", f"{name}.tif", "--output", name, "--channels", "3,1,0,2") == 0
    np.testing.assert_array_equal(ids("tags/tags_ids.tif"), ids("floats/floats_ids.tif"))


def test_nodata_is_a_stored_number_where_a_scale_is_declared(folder):
    values = np.moveaxis(handmade.noise(50, 70), -1, 0)
    # 6 x 0.5 + 4 is 7, which is no data where it is stored, and data where it is meant.
    values[:, 3:8], values[:, 20] = 7, 6
    tiff("tags.tif", values, 0.5, 4.0)
    Path("floats.tflite").write_bytes(handmade.pixelwise(4, dtype="float32"))
    assert predict("floats.tflite", "tags.tif", "--output", "out", "--nodata", "7") == 0
    np.testing.assert_array_equal(ids("out/tags_ids.tif") == 255, (values == 7).all(axis=0))


def test_a_scale_that_is_one_is_not_spoken_of(folder, capfd):
    values = np.moveaxis(handmade.noise(50, 70), -1, 0)
    tiff("scene.tif", values, 1.0, 0.0, crs="EPSG:32633", transform=from_origin(500_000, 5_000_000, 10, 10))
    assert predict("four.tflite", "scene.tif", "--output", "out") == 0
    assert not capfd.readouterr().err


@pytest.mark.parametrize(
    ("save", "complaint"),
    [
        (lambda path: Image.fromarray(picture()[..., 0]).save(path, save_all=True,
                                                             append_images=[Image.fromarray(picture()[..., 1])]),
         "a TIFF of 2 pages, which are read as bands, needs rasterio"),
        (lambda path: Image.fromarray(picture()[..., 0]).save(path, tiffinfo={262: 0}), "a TIFF where 0 is white"),
        (lambda path: tiff(path, picture().transpose(2, 0, 1), 0.5, 0.0), "says by GDAL's tags"),
    ],
)  # fmt: skip
def test_without_rasterio_what_would_be_lost_is_refused(folder, save, complaint):
    save("scene.tif")
    with pytest.raises(Exception, match=complaint):
        pictures.picture_scene(Path("scene.tif"), 3, None)


@pytest.mark.parametrize("orientation", EVERY)
def test_without_rasterio_a_tiff_is_upright_too(folder, orientation):
    Image.fromarray(stored(picture(), orientation)).save("stored.tif", tiffinfo={274: orientation})
    scene = pictures.picture_scene(Path("stored.tif"), 3, None)
    assert (scene.height, scene.width) == (50, 70)
    with scene.opened() as reader:
        np.testing.assert_array_equal(np.moveaxis(reader.read(scene.whole, (0, 1, 2)), 0, -1), picture())
