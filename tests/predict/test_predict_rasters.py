"""Scenes that lie somewhere on Earth: place, nodata, layout and areas of their maps."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import handmade_models as handmade
import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from segsweep.cli import main

UTM = "EPSG:32633"
PLACE = from_origin(359130, 5352340, 10, 10)


def predict(*words: str) -> int:
    return main(["predict", *words])


def write(path: str, image: np.ndarray, **settings) -> np.ndarray:
    """An image (H, W, C) as GeoTIFF."""
    names = settings.pop("names", None)
    mask = settings.pop("mask", None)
    height, width, bands = image.shape
    shape = {"height": height, "width": width, "count": bands, "dtype": image.dtype}
    with rasterio.open(path, "w", driver="GTiff", **shape, **settings) as raster:
        raster.write(np.moveaxis(image, -1, 0))
        if names is not None:
            raster.descriptions = names
        if mask is not None:
            raster.write_mask(mask)
    return image


@pytest.fixture
def folder(workplace: Path) -> Path:
    Path("four.tflite").write_bytes(handmade.pixelwise(4))
    return workplace


def expected(image: np.ndarray) -> np.ndarray:
    return handmade.pixelwise_shares(image).argmax(axis=-1)


def complaint(capfd: pytest.CaptureFixture[str], *words: str) -> str:
    assert predict(*words, "--output", "out") == 2
    (line,) = [line for line in capfd.readouterr().err.splitlines() if line]
    assert not Path("out").exists()
    return line


@pytest.mark.parametrize("layout", [{}, {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "lzw"}])
def test_maps_lie_where_their_scene_does(folder, capfd, layout):
    image = write("scene.tif", handmade.noise(150, 700), crs=UTM, transform=PLACE, **layout)
    kinds = ["ids", "colours", "probabilities", "overlay"]
    assert predict("four.tflite", "scene.tif", "--output", "out", "--write", ",".join(kinds)) == 0
    assert not capfd.readouterr().err
    for kind in kinds:
        with rasterio.open(f"out/scene_{kind}.tif") as made:
            assert made.crs == rasterio.crs.CRS.from_user_input(UTM)
            assert made.transform == PLACE
            assert made.shape == (150, 700)
            assert made.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert made.profile["compress"] == ("lzw" if kind == "ids" else "deflate")
            assert made.profile["tiled"]
    with rasterio.open("out/scene_ids.tif") as made:
        assert (made.count, made.dtypes[0], made.nodata) == (1, "uint8", 255)
        np.testing.assert_array_equal(made.read(1), expected(image))
        assert [made.colormap(1)[number][:3] for number in range(3)] == [(255, 0, 0), (0, 128, 0), (0, 0, 255)]
        assert made.tags()["class_1"] == "wood"
    with rasterio.open("out/scene_probabilities.tif") as made:
        assert made.descriptions == ("field", "wood", "water")
        np.testing.assert_allclose(made.read(), np.moveaxis(handmade.pixelwise_shares(image), -1, 0), atol=2e-5)
    with rasterio.open("out/scene_colours.tif") as made:
        palette = np.array([(255, 0, 0, 255), (0, 128, 0, 255), (0, 0, 255, 255)])
        np.testing.assert_array_equal(np.moveaxis(made.read(), 0, -1), palette[expected(image)])
    assert sorted(os.listdir("out")) == ["areas.csv", *sorted(f"scene_{kind}.tif" for kind in kinds)]


def test_maps_are_seen_from_afar(folder):
    image = write("scene.tif", handmade.noise(600, 1100), crs=UTM, transform=PLACE)
    assert predict("four.tflite", "scene.tif", "--output", "out", "--write", "ids,probabilities") == 0
    with rasterio.open("out/scene_ids.tif") as made, rasterio.open("out/scene_ids.tif", overview_level=0) as half:
        assert made.overviews(1) == [2, 4]
        assert made.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert half.shape == (300, 550)
        # Each is one of the four pixels in its place.
        four = made.read(1).reshape(300, 2, 550, 2)
        assert (half.read(1)[:, None, :, None] == four).any(axis=(1, 3)).all()
    with rasterio.open("out/scene_probabilities.tif", overview_level=0) as half:
        four = handmade.pixelwise_shares(image).reshape(300, 2, 550, 2, 3)
        np.testing.assert_allclose(np.moveaxis(half.read(), 0, -1), four.mean(axis=(1, 3)), atol=2e-5)


MEAN = np.array(handmade.metadata(4, 3).mean)


@pytest.mark.parametrize("how", ["value", "option", "metadata", "mask", "NaN"])
def test_pixels_without_data_stay_so(folder, how):
    image = handmade.noise(100, 130)
    image[30:70, :50] = 0
    image[0, 0, 1] = 0
    there = (image != 0).any(axis=-1)
    # A band that is no data where others are data is the mean of the band for the model.
    filled = image if how == "mask" else np.where(image == 0, MEAN, image)
    options = []
    settings = {"crs": UTM, "transform": PLACE}
    if how == "value":
        settings["nodata"] = 0
    elif how == "option":
        options = ["--nodata", "0"]
    elif how == "metadata":
        Path("four.tflite").write_bytes(handmade.pixelwise(4, nodata=0.0))
    elif how == "mask":
        settings["mask"] = there
    else:
        image = np.where(image == 0, np.nan, image).astype(np.float32)
        options = ["--scale", "1"]
    write("scene.tif", image, **settings)
    words = ["--write", "ids,colours,probabilities,overlay"]
    assert predict("four.tflite", "scene.tif", "--output", "out", *options, *words) == 0
    with rasterio.open("out/scene_ids.tif") as made:
        ids = made.read(1)
        np.testing.assert_array_equal(made.dataset_mask() != 0, there)
    np.testing.assert_array_equal(ids == 255, ~there)
    np.testing.assert_array_equal(ids[there], expected(filled)[there])
    with rasterio.open("out/scene_probabilities.tif") as made:
        np.testing.assert_array_equal(np.isnan(made.read(1)), ~there)
    for kind in ("colours", "overlay"):
        with rasterio.open(f"out/scene_{kind}.tif") as made:
            np.testing.assert_array_equal(made.read(4) == 255, there)
    with open("out/areas.csv", newline="") as file:
        rows = {row["class"]: row for row in csv.DictReader(file)}
    assert int(rows["(no data)"]["pixels"]) == int((~there).sum())


def test_what_is_missing_does_not_spread_in_a_whole_image(folder):
    image = np.full((100, 130, 4), 120, np.float32)
    image[30:70, :50] = np.nan
    write("scene.tif", image, crs=UTM, transform=PLACE)
    assert predict("four.tflite", "scene.tif", "--output", "out", "--whole", "--scale", "1") == 0
    with rasterio.open("out/scene_ids.tif") as made:
        ids = made.read(1)
    np.testing.assert_array_equal(ids == 255, np.isnan(image).all(axis=-1))
    assert set(ids[ids != 255]) == {expected(image[:1, :1])[0, 0]}


def test_a_scene_without_any_data(folder, capfd):
    write("empty.tif", np.zeros((50, 60, 4), np.uint16), crs=UTM, transform=PLACE, nodata=0)
    assert predict("four.tflite", "empty.tif", "--output", "out") == 2
    assert "empty.tif: no pixel has data" in capfd.readouterr().err
    assert not list(Path.cwd().glob("out/*"))


def test_a_scene_without_any_data_among_others(folder, capfd):
    write("empty.tif", np.zeros((50, 60, 4), np.uint16), crs=UTM, transform=PLACE, nodata=0)
    write("full.tif", np.full((50, 60, 4), 7, np.uint16), crs=UTM, transform=PLACE, nodata=0)
    assert predict("four.tflite", "empty.tif", "full.tif", "--output", "out") == 0
    assert "empty.tif: no pixel has data" in capfd.readouterr().err
    for name, is_empty in (("empty", True), ("full", False)):
        with rasterio.open(f"out/{name}_ids.tif") as made:
            assert (made.read(1) == 255).all() == is_empty


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "has no georeference"),
        ({"transform": PLACE}, "does not say its coordinate system"),
        ({"crs": UTM}, "no transform that places it there"),
        ({"crs": 'LOCAL_CS["site",UNIT["metre",1]]', "transform": PLACE}, "is of the type Engineering CRS"),
        ({"crs": "EPSG:4326", "transform": from_origin(13, 90.1, 1e-2, 1e-2)}, "lie outside of its coordinate system"),
    ],
)
def test_what_cannot_be_known_is_said(folder, capfd, settings, said):
    image = write("plain.tif", handmade.noise(40, 50), **settings)
    assert predict("four.tflite", "plain.tif", "--output", "out") == 0
    assert said in capfd.readouterr().err
    with rasterio.open("out/plain_ids.tif") as made:
        np.testing.assert_array_equal(made.read(1), expected(image))
        assert (made.crs is None) == ("crs" not in settings)
    with open("out/areas.csv", newline="") as file:
        assert all(row["hectares"] == "" for row in csv.DictReader(file))


def test_places_that_are_no_transforms_are_kept(folder, capfd):
    from rasterio.control import GroundControlPoint
    from rasterio.rpc import RPC

    points = [GroundControlPoint(row, column, 13 + column / 1e4, 48 - row / 1e4, 0.0)
              for row in (0, 40) for column in (0, 50)]  # fmt: skip
    terms = [1.0, *[0.0] * 19]
    rational = RPC(height_off=0, height_scale=1, lat_off=48, lat_scale=1, line_den_coeff=terms, line_num_coeff=terms,
                   line_off=20, line_scale=20, long_off=13, long_scale=1, samp_den_coeff=terms, samp_num_coeff=terms,
                   samp_off=25, samp_scale=25)  # fmt: skip
    for name, place in {"points": {"gcps": points, "crs": "EPSG:4326"}, "rational": {"rpcs": rational}}.items():
        write(f"{name}.tif", handmade.noise(40, 50), **place)
        assert predict("four.tflite", f"{name}.tif", "--output", name) == 0
    said = capfd.readouterr().err
    assert "is placed by ground control points, which its maps keep" in said
    assert "is placed by rational polynomials, which its maps keep" in said
    with rasterio.open("points/points_ids.tif") as made:
        kept, system = made.gcps
        assert [(each.row, each.col, each.x, each.y) for each in kept] == [
            (each.row, each.col, each.x, each.y) for each in points
        ]
        assert system.to_epsg() == 4326
    with rasterio.open("rational.tif") as given, rasterio.open("rational/rational_ids.tif") as made:
        assert made.rpcs.to_dict() == given.rpcs.to_dict()
        assert made.rpcs.line_off == 20


def test_jpeg_2000(folder):
    from rasterio.shutil import copy

    image = write("scene.tif", handmade.noise(90, 110), crs=UTM, transform=PLACE)
    copy("scene.tif", "scene.jp2", driver="JP2OpenJPEG", quality=100, reversible="YES")
    Path("scene.tif").unlink()
    assert predict("four.tflite", "scene.jp2", "--output", "out") == 0
    with rasterio.open("out/scene_ids.tif") as made:
        np.testing.assert_array_equal(made.read(1), expected(image))
        assert made.transform == PLACE


def test_a_disk_that_is_full(folder):
    write("scene.tif", handmade.noise(1500, 1500), crs=UTM, transform=PLACE)
    # No file of more than 512 KiB, which is what a full disk looks like.
    script = "import resource, sys; from segsweep.cli import main; " + (
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2**19, 2**19)); sys.exit(main(sys.argv[1:]))"
    )
    words = ["predict", "four.tflite", "scene.tif", "--output", "out", "--write", "ids"]
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True)
    assert done.returncode == 2
    assert "segsweep: error: scene_ids.tif: cannot be written" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not Path("out").exists()


def test_bands_are_found_by_their_names(folder):
    image = handmade.noise(40, 50, 6)
    names = ("B08", "B02", "B04", "B05", "B03", "B12")
    write("named.tif", image, names=names, crs=UTM, transform=PLACE)
    assert predict("four.tflite", "named.tif", "--output", "out") == 0
    with rasterio.open("out/named_ids.tif") as made:
        # The model takes B02, B03, B04, B05.
        np.testing.assert_array_equal(made.read(1), expected(image[..., [1, 4, 2, 3]]))


def test_a_truncated_scene(folder, capfd):
    write("scene.tif", handmade.noise(200, 200), crs=UTM, transform=PLACE)
    content = Path("scene.tif").read_bytes()
    Path("cut.tif").write_bytes(content[: len(content) // 2])
    assert "cut.tif: is truncated" in complaint(capfd, "four.tflite", "scene.tif", "cut.tif")


def test_a_damaged_scene(folder, capfd):
    write("scene.tif", handmade.noise(200, 200), crs=UTM, transform=PLACE, compress="deflate")
    content = bytearray(Path("scene.tif").read_bytes())
    content[len(content) // 2 : len(content) // 2 + 5000] = bytes(5000)
    Path("scene.tif").write_bytes(content)
    assert "scene.tif: cannot be read" in complaint(capfd, "four.tflite", "scene.tif")


def test_a_scene_in_blocks_that_do_not_fit_in_memory(folder, capfd):
    shape = {"height": 30_000, "width": 30_000, "count": 4, "dtype": "uint16"}
    with rasterio.open("huge.tif", "w", driver="GTiff", **shape, compress="deflate", tiled=True,
                       blockxsize=30_000, blockysize=30_000, sparse_ok=True):  # fmt: skip
        pass
    assert "is stored in blocks of" in complaint(capfd, "four.tflite", "huge.tif")


def test_a_file_that_points_elsewhere_is_no_scene(folder, capfd):
    write("scene.tif", handmade.noise(40, 50), crs=UTM, transform=PLACE)
    Path("trap.tif").write_text(
        '<VRTDataset rasterXSize="50" rasterYSize="40"><VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
        '<SourceFilename relativeToVRT="1">scene.tif</SourceFilename><SourceBand>1</SourceBand></SimpleSource>'
        "</VRTRasterBand></VRTDataset>"
    )
    assert "trap.tif: is VRT by its content" in complaint(capfd, "four.tflite", "trap.tif")


def test_a_plain_tiff_needs_no_rasterio(folder, monkeypatch):
    from segsweep.errors import DataError
    from segsweep.predict.picture_scene import picture_scene
    from segsweep.predict.scene import Window

    image = write("plain.tif", handmade.noise(40, 50, 3).astype(np.uint8), photometric="RGB")
    scene = picture_scene(Path("plain.tif"), 3, None)
    assert (scene.height, scene.width, scene.bands, scene.dtype) == (40, 50, 3, "uint8")
    with scene.opened() as reader:
        np.testing.assert_array_equal(reader.read(Window(0, 40, 0, 50), (0, 1, 2)), np.moveaxis(image, -1, 0))
    write("there.tif", image, crs=UTM, transform=PLACE, photometric="RGB")
    with pytest.raises(DataError, match="a GeoTIFF needs rasterio"):
        picture_scene(Path("there.tif"), 3, None)
    write("many.tif", handmade.noise(40, 50, 7))
    with pytest.raises(DataError, match="segsweep\\[geo\\]"):
        picture_scene(Path("many.tif"), 7, None)


def test_real_scene(folder, shared_data):
    path = shared_data / "s2_geotiff_ftw_austria" / "inference-img.tif"
    assert predict("four.tflite", str(path), "--channels", "2,1,0,3", "--output", "out") == 0
    with rasterio.open(path) as scene, rasterio.open("out/inference-img_ids.tif") as made:
        assert made.bounds == scene.bounds
        assert made.crs == scene.crs
        image = np.moveaxis(scene.read([3, 2, 1, 4]), 0, -1)
        assert (made.read(1) == expected(image)).mean() > 0.9999
