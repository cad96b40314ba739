"""`predict` takes for no data what the training does: by band, by alpha bands that are masks, by `data.nodata`."""

from pathlib import Path

import handmade_models as handmade
import numpy as np
import pytest
from PIL import Image
from predicting import complaint, predict

from segsweep.data.fitting import Fit, fit_image
from segsweep.tflite.metadata import embed, read

rasterio = pytest.importorskip("rasterio")

PLACE = {"crs": "EPSG:32633", "transform": rasterio.transform.from_origin(359130, 5352340, 10, 10)}
MEAN = np.array(handmade.metadata(4, 3).mean)


def write(path: str, image: np.ndarray, **settings) -> None:
    height, width, bands = image.shape
    shape = {"height": height, "width": width, "count": bands, "dtype": image.dtype}
    with rasterio.open(path, "w", driver="GTiff", **shape, **PLACE, **settings) as raster:
        raster.write(np.moveaxis(image, -1, 0))


def mapped(model: str, *options: str) -> np.ndarray:
    """The class ids of `scene.tif`."""
    assert predict(model, "scene.tif", *options, "--output", "out", "--force") == 0
    with rasterio.open("out/scene_ids.tif") as made:
        return made.read(1)


def expected(image: np.ndarray, bands: int = 4) -> np.ndarray:
    return handmade.pixelwise_shares(image, bands).argmax(axis=-1)


@pytest.fixture
def scene(workplace: Path) -> np.ndarray:
    """Four bands of 8 bits, the fourth of which GDAL tags as alpha; it is 0 in places, as near infrared over water."""
    Path("four.tflite").write_bytes(handmade.pixelwise(4, dtype="uint8"))
    Path("three.tflite").write_bytes(handmade.pixelwise(3, dtype="uint8"))
    return np.clip(handmade.noise(70, 90), 1, 255).astype(np.uint8)


@pytest.mark.parametrize("words", [("four.tflite",), ("four.tflite", "--channels", "0,1,2,3")])
def test_near_infrared_of_0_is_data(scene, capfd, words):
    scene[10:30, 10:30, 3] = 0
    write("scene.tif", scene)
    with rasterio.open("scene.tif") as file:
        assert (file.dataset_mask() == 0).sum() == 400
    np.testing.assert_array_equal(mapped(*words), expected(scene))
    assert "holds other values than 0 and 255, so it is no mask" in capfd.readouterr().err
    np.testing.assert_array_equal(mapped("three.tflite", "--channels", "0,1,2"), expected(scene[..., :3], bands=3))


def test_an_alpha_band_of_0_and_255_is_a_mask(scene, capfd):
    scene[..., 3] = 255
    scene[10:30, 10:30, 3] = 0
    write("scene.tif", scene)
    there = scene[..., 3] == 255
    for words in (["four.tflite"], ["three.tflite", "--channels", "0,1,2"]):
        ids = mapped(*words)
        np.testing.assert_array_equal(ids == 255, ~there)
        bands = 4 if words == ["four.tflite"] else 3
        np.testing.assert_array_equal(ids[there], expected(scene[..., :bands], bands)[there])
        assert "holds 0 and 255 alone; as a mask" in capfd.readouterr().err
    # As a band it was named, or was one in the training.
    as_band = expected(scene)
    np.testing.assert_array_equal(mapped("four.tflite", "--channels", "0,1,2,3"), as_band)
    Path("band.tflite").write_bytes(handmade.pixelwise(4, dtype="uint8", alpha_is_band=True))
    np.testing.assert_array_equal(mapped("band.tflite"), as_band)


def test_a_mask_far_down_is_seen_to_be_none(scene, monkeypatch):
    """The alpha band is read in parts."""
    monkeypatch.setattr("segsweep.predict.raster_scene._READ_AHEAD", 1)
    from segsweep.predict.raster_scene import raster_scene

    scene[..., 3] = 255
    write("mask.tif", scene)
    scene[-1, -1, 3] = 7
    write("band.tif", scene)
    assert "as a mask" in raster_scene(Path("mask.tif"), None).notes[-1]
    assert "it is no mask" in raster_scene(Path("band.tif"), None).notes[-1]


def test_each_band_has_its_own_holes(workplace):
    """A pixel has no data where no band that is used has; else what is missing is the mean of its band."""
    Path("four.tflite").write_bytes(handmade.pixelwise(4))
    image = handmade.noise(70, 90)
    image[5:20, 5:20, 1] = 0
    image[30:50, 30:50] = 0
    write("scene.tif", image, nodata=0)
    filled = np.where(image == 0, MEAN, image)
    ids = mapped("four.tflite")
    empty = (image == 0).all(axis=-1)
    np.testing.assert_array_equal(ids == 255, empty)
    np.testing.assert_array_equal(ids[~empty], expected(filled)[~empty])
    np.savez("scene.npz", X=image)
    assert predict("four.tflite", "scene.npz", "--nodata", "0", "--output", "arrays") == 0


def test_the_value_of_the_training_is_known(workplace):
    image = handmade.noise(40, 50)
    image[:, :9] = 7
    np.save("scene.npy", image)
    Path("trained.tflite").write_bytes(handmade.pixelwise(4, nodata=7.0))

    for options, holes in (([], True), (["--nodata", "9999"], False)):
        assert predict("trained.tflite", "scene.npy", *options, "--output", "out", "--force") == 0
        ids = np.asarray(Image.open("out/scene_ids.png"))
        assert (ids[:, :9] == 255).all() == holes
        assert (ids[:, 9:] != 255).all()
    # A file that says it itself is believed.
    write("scene.tif", image, nodata=0)
    assert (mapped("trained.tflite") != 255).all()


def test_models_of_other_values_do_not_go_together(workplace, capfd):
    np.save("scene.npy", handmade.noise(40, 50))
    Path("one.tflite").write_bytes(handmade.pixelwise(4, nodata=7.0))
    Path("two.tflite").write_bytes(handmade.pixelwise(4))
    line = complaint(capfd, "one.tflite", "two.tflite", "scene.npy", "--output", "out")
    assert "data.nodata=7.0" in line
    assert "--nodata" in line
    assert predict("one.tflite", "two.tflite", "scene.npy", "--nodata", "7", "--output", "out") == 0


def test_a_whole_image_is_resized_as_in_the_training(workplace):
    Path("four.tflite").write_bytes(handmade.pixelwise(4))
    image = handmade.noise(64, 64)
    image[:, :31] = 0
    write("scene.tif", image, nodata=0)
    assert predict("four.tflite", "scene.tif", "--whole", "--write", "probabilities", "--output", "out") == 0
    with rasterio.open("out/scene_probabilities.tif") as made:
        shares = made.read()
    holes = np.where(image == 0, np.nan, image.astype(np.float32))
    small = fit_image(holes, Fit((32, 32), "resize"), rounded=True)
    logits = handmade.pixelwise_shares(np.where(np.isnan(small), MEAN, small)).astype(np.float32)

    for number in range(3):
        large = np.asarray(Image.fromarray(logits[..., number]).resize((64, 64), Image.Resampling.BILINEAR))
        np.testing.assert_allclose(shares[number, :, 31:], large[:, 31:], atol=2e-5)
    assert np.isnan(shares[:, :, :31]).all()


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_the_histogram_of_a_scene_is_of_its_valid_values(workplace, dtype):
    from segsweep.data.histogram import Histogram
    from segsweep.predict.member import load_member
    from segsweep.predict.raster_scene import raster_scene
    from segsweep.predict.request import Request
    from segsweep.predict.scene_histogram import band_tables

    Path("equal.tflite").write_bytes(handmade.pixelwise(4, histogram="equalize", dtype=""))
    image = handmade.noise(40, 50).astype(dtype)
    image[:, :20] = image[3, :, 1] = 0
    write("scene.tif", image, nodata=0)
    scene = raster_scene(Path("scene.tif"), None)
    member = load_member(Path("equal.tflite"), Request((), (), "", ""))
    with scene.opened() as reader:
        tables = band_tables(scene, reader, range(4), member)
    changed = Histogram("equalize").apply(np.where(image == 0, np.nan, image.astype(np.float32)))
    for band, table in enumerate(tables):
        there = image[..., band] != 0
        np.testing.assert_allclose(table.apply(image[..., band])[there], changed[there, band], rtol=1e-6)


def test_files_say_it_only_where_there_is_something_to_say():
    plain = handmade.pixelwise(4)
    assert b"nodata" not in plain
    assert b"alpha_is_band" not in plain
    said = read(handmade.pixelwise(4, nodata=-9999.0, alpha_is_band=True))
    assert (said.nodata, said.alpha_is_band) == (-9999.0, True)
    assert (read(plain).nodata, read(plain).alpha_is_band) == (None, False)
    assert embed(embed(plain, said), read(plain)) == embed(plain, read(plain))
