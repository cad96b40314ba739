"""Hectares in areas.csv: on the ground, for each class where it lies, or left empty with a note that says why."""

import os
from pathlib import Path

import handmade_models as handmade
import numpy as np
import pytest
import rasterio
from geodesic import geodesic_hectares
from predicting import areas, predict
from pyproj import Geod, Transformer
from rasterio.transform import from_origin

from segsweep.predict.scene import Window


@pytest.fixture
def folder(workplace: Path) -> Path:
    Path("four.tflite").write_bytes(handmade.pixelwise(4))
    return workplace


def write(path: str, image: np.ndarray, **place) -> np.ndarray:
    """An image (H, W, C) as GeoTIFF; the class ids that the model gives it."""
    height, width, bands = image.shape
    shape = {"height": height, "width": width, "count": bands, "dtype": image.dtype}
    with rasterio.open(path, "w", driver="GTiff", **shape, **place) as raster:
        raster.write(np.moveaxis(image, -1, 0))
    return handmade.pixelwise_shares(image).argmax(axis=-1)


def layers(height: int, width: int) -> np.ndarray:
    """An image of which the model takes the upper part for another class than the lower."""
    noise = handmade.noise(200, 200).reshape(-1, 1, 4)
    ids = handmade.pixelwise_shares(noise).argmax(axis=-1)[:, 0]
    upper, lower = (noise[ids == number][0, 0] for number in np.unique(ids)[:2])
    image = np.empty((height, width, 4), noise.dtype)
    image[: height // 3], image[height // 3 :] = upper, lower
    return image


def hectares(path: str = "out/areas.csv") -> list[float]:
    return [float(row["hectares"]) for row in areas(path)]


@pytest.mark.parametrize(
    ("code", "place"),
    [
        ("EPSG:3857", from_origin(1_200_000, 8_401_738, 2000, 2000)),
        ("EPSG:4326", from_origin(10, 70, 0.02, 0.02)),
        ("EPSG:32633", from_origin(1_000_000, 5_352_340, 100, 100)),
        ("EPSG:3413", from_origin(-150_000, 150_000, 500, 500)),
        ("EPSG:2263", from_origin(980_000, 200_000, 3, 3)),
    ],
)
def test_each_class_is_weighed_where_it_lies(folder, capfd, code, place):
    ids = write("scene.tif", layers(600, 300), crs=code, transform=place)
    assert predict("four.tflite", "scene.tif", "--output", "out") == 0
    assert not capfd.readouterr().err
    expected = [0.0] * 4
    for part in (Window(0, 200, 0, 300), Window(200, 600, 0, 300)):
        expected[ids[part.top, 0]] += geodesic_hectares(code, place, part, 400)
    assert hectares() == pytest.approx(expected, rel=1e-3)


def test_all_layouts_and_ways_give_the_same(folder):
    place = {"crs": "EPSG:3857", "transform": from_origin(1_200_000, 8_401_738, 300, 300)}
    image = handmade.noise(130, 150)
    image[20:60, 10:50] = 0
    ids = write("scene.tif", image, **place, nodata=0)
    write("tiled.tif", image, **place, nodata=0, tiled=True, blockxsize=32, blockysize=32)
    missing = (image == 0).all(axis=-1)
    rows = [geodesic_hectares("EPSG:3857", place["transform"], Window(row, row + 1, 0, 1)) for row in range(130)]
    each = np.broadcast_to(np.array(rows)[:, None], ids.shape)
    expected = [each[(ids == number) & ~missing].sum() for number in range(3)] + [each[missing].sum()]
    for name, words in {"scene": [], "tiled": ["--overlap", "0.5"]}.items():
        assert predict("four.tflite", f"{name}.tif", "--output", name, *words) == 0
        assert hectares(f"{name}/areas.csv") == pytest.approx(expected, rel=1e-4)
    assert predict("four.tflite", "scene.tif", "--output", "whole", "--whole") == 0
    assert hectares("whole/areas.csv")[3] == pytest.approx(expected[3], rel=1e-4)
    assert sum(hectares("whole/areas.csv")) == pytest.approx(each.sum(), rel=1e-4)


def test_web_mercator_in_the_north(folder, shared_case):
    shared_case("mercator", folder)
    Path("three.tflite").write_bytes(handmade.pixelwise(3, dtype="uint8"))
    assert predict("three.tflite", "scene.tif", "--output", "out") == 0
    with rasterio.open("scene.tif") as scene:
        left, bottom, right, top = scene.bounds
    share = np.linspace(0, 1, 200)[:-1]
    x = left + (right - left) * np.concatenate([share, 1 + 0 * share, 1 - share, 0 * share])
    y = bottom + (top - bottom) * np.concatenate([0 * share, share, 1 + 0 * share, 1 - share])
    outline = Transformer.from_crs("EPSG:3857", "EPSG:4326", always_xy=True).transform(x, y)
    geodesic = abs(Geod(ellps="WGS84").polygon_area_perimeter(*outline)[0]) / 1e4
    assert sum(hectares()) == pytest.approx(geodesic, rel=1e-3)
    assert sum(hectares()) == pytest.approx(400, rel=0.01)


def test_a_scene_that_goes_off_the_earth_is_mapped_without_hectares(folder, capfd):
    ids = write("scene.tif", handmade.noise(40, 50), crs="EPSG:4326", transform=from_origin(0, 90.5, 1, 1))
    assert predict("four.tflite", "scene.tif", "--output", "out") == 0
    assert "scene.tif: the areas of its pixels are not known, as parts of it lie outside" in capfd.readouterr().err
    assert [row["hectares"] for row in areas()] == [""] * 4
    assert [int(row["pixels"]) for row in areas()][:3] == np.bincount(ids.ravel(), minlength=3).tolist()


def test_without_pyproj_one_line_says_what_to_install(folder, capfd, monkeypatch):
    Path("without/pyproj").mkdir(parents=True)
    Path("without/pyproj/__init__.py").write_text("raise ImportError('not installed')")
    monkeypatch.setenv("PYTHONPATH", os.path.abspath("without"))
    for name in ("a", "b"):
        write(f"{name}.tif", handmade.noise(40, 50), crs="EPSG:32633", transform=from_origin(0, 0, 10, 10))
    assert predict("four.tflite", "a.tif", "b.tif", "--output", "out") == 0
    (line,) = capfd.readouterr().err.splitlines()
    assert "hectares need pyproj: pip install 'segsweep[geo]'" in line
    assert {row["hectares"] for row in areas()} == {""}
