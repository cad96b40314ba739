"""Areas on the ground, against the polygons of pyproj's geodesics."""

import sys

import numpy as np
import pytest
from affine import Affine
from geodesic import geodesic_hectares
from pyproj import CRS

from segsweep.predict.areas import AreaCount
from segsweep.predict.pixel_areas import PixelAreas, UnknownAreas, pixel_areas
from segsweep.predict.scene import Window

ENOUGH = 1e-3
"""Relative error."""
ROTATED_POLE = "+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=39.25 +lon_0=18 +to_meter=0.0174532925199433"
"""As regional climate models have it: its equator runs across Europe."""
BERLIN = Affine.translation(1_480_000, 6_900_000)

SCENES = {
    "Web Mercator": ("EPSG:3857", Affine(20, 0, 1_200_000, 0, -20, 8_401_738), 200, 200),
    "Web Mercator, nearly all": ("EPSG:3857", Affine(10_000, 0, -2e7, 0, -10_000, 2e7), 4000, 4000),
    "Web Mercator, rotated": ("EPSG:3857", BERLIN * Affine.rotation(33) * Affine.scale(300, -200), 3000, 4000),
    "degrees, tall": ("EPSG:4326", Affine(0.01, 0, 10, 0, -0.01, 70), 5000, 300),
    "degrees, all": ("EPSG:4326", Affine(0.1, 0, -180, 0, -0.1, 90), 1800, 3600),
    "degrees, over the antimeridian": ("EPSG:4326", Affine(0.001, 0, 179.5, 0, -0.001, -16), 1000, 1000),
    "degrees, from south to north": ("EPSG:4326", Affine(0.01, 0, 10, 0, 0.01, 40), 2000, 500),
    "UTM": ("EPSG:32633", Affine(10, 0, 359_130, 0, -10, 5_352_340), 10_980, 10_980),
    "UTM, far from its meridian": ("EPSG:32633", Affine(30, 0, 1_100_000, 0, -30, 5_352_340), 5000, 7000),
    "UTM, over the antimeridian": ("EPSG:32601", Affine(100, 0, 0, 0, -100, 7_000_000), 2000, 3000),
    "UTM, rotated": ("EPSG:32633", Affine(20, 9, 900_000, 7, -25, 5_300_000), 3000, 4000),
    "equal areas": ("EPSG:3035", Affine(100, 0, 2.5e6, 0, -100, 5e6), 20_000, 20_000),
    "polar, with its pole": ("EPSG:3413", Affine(1000, 0, -3e6, 0, -1000, 3e6), 6000, 6000),
    "polar, of the south": ("EPSG:3031", Affine(250, 0, 1e6, 0, -250, 2e6), 3000, 3000),
    "feet": ("EPSG:2263", Affine(3, 0, 980_000, 0, -3, 200_000), 3000, 3000),
    "grads": ("EPSG:4807", Affine(0.001, 0, 0, 0, -0.001, 54), 1000, 1000),
    "oblique, of southings": ("EPSG:5514", Affine(10, 0, -600_000, 0, -10, -1_000_000), 1000, 1000),
    "degrees, of a rotated pole": (ROTATED_POLE, Affine(0.11, 0, -28, 0, -0.11, 22), 400, 400),
    "one pixel": ("EPSG:3857", Affine(500, 0, 1_200_000, 0, -500, 8_401_738), 1, 1),
    "one column": ("EPSG:4326", Affine(1, 0, 0, 0, -1, 80), 100, 1),
}


def summed(areas: PixelAreas, window: Window) -> float:
    return float(np.broadcast_to(areas.of(window), (window.height, window.width)).sum())


def windows(height: int, width: int) -> list[Window]:
    """The corners of a scene, its middle, and some others, of a hundredth of its sides."""
    tall, wide = max(1, height // 100), max(1, width // 100)
    shares = [(0, 0), (0, 1), (1, 0), (1, 1), (0.5, 0.5), *np.random.default_rng(0).random((40, 2)).tolist()]
    tops = [(round(down * (height - tall)), round(along * (width - wide))) for down, along in shares]
    return [Window(top, top + tall, left, left + wide) for top, left in tops]


@pytest.mark.parametrize("name", SCENES)
def test_areas_are_geodesic_everywhere_in_a_scene(name):
    code, place, height, width = SCENES[name]
    areas = pixel_areas(CRS(code).to_wkt(), place, height, width)
    for window in windows(height, width):
        assert summed(areas, window) == pytest.approx(geodesic_hectares(code, place, window), rel=ENOUGH), window


def test_a_pixel_of_centimetres():
    # Geodesic polygons are not exact enough for it; the scale of UTM on its meridian is 0.9996.
    areas = pixel_areas(CRS("EPSG:32633").to_wkt(), Affine(0.02, 0, 500_000, 0, -0.02, 5e6), 50, 50)
    assert areas.of(Window(7, 8, 9, 10))[0, 0] * 1e4 == pytest.approx(0.02**2 / 0.9996**2, rel=1e-5)


def test_a_sphere_has_an_area_of_its_own():
    # Sinusoidal, as MODIS has it: equal areas on its sphere.
    system = CRS("+proj=sinu +R=6371007.181 +units=m")
    areas = pixel_areas(system.to_wkt(), Affine(463.3127165, 0, 1_111_950, 0, -463.3127165, 5_559_752), 2400, 2400)
    assert areas.hectares.shape == (1, 1)
    assert areas.hectares[0, 0] == pytest.approx(463.3127165**2 / 1e4, rel=1e-5)


@pytest.mark.parametrize(
    ("wkt", "place", "why"),
    [
        ('LOCAL_CS["site",UNIT["metre",1]]', Affine(1, 0, 0, 0, -1, 0), "Engineering CRS"),
        (CRS("EPSG:4978").to_wkt(), Affine(1, 0, 0, 0, -1, 0), "Geocentric CRS"),
        (CRS("EPSG:4326").to_wkt(), Affine(0.25, 0, 0, 0, -0.25, 90.125), "outside of its coordinate system"),
        (CRS("+proj=ortho").to_wkt(), Affine(1e5, 0, -7e6, 0, -1e5, 7e6), "outside of its coordinate system"),
        (CRS("EPSG:32633").to_wkt(), Affine(10, 10, 0, 10, 10, 0), "transform gives them none"),
        ("nonsense", Affine(1, 0, 0, 0, -1, 0), "is not understood"),
    ],
)
def test_areas_that_cannot_be_known(wkt, place, why):
    with pytest.raises(UnknownAreas, match=why):
        pixel_areas(wkt, place, 140, 140)


def test_without_pyproj(monkeypatch):
    from segsweep.predict import pixel_areas as module

    module._geodetic.cache_clear()
    monkeypatch.setitem(sys.modules, "pyproj", None)
    with pytest.raises(ImportError):
        pixel_areas(CRS("EPSG:4326").to_wkt(), Affine(1, 0, 0, 0, -1, 50), 4, 4)


@pytest.mark.parametrize("shape", [(1, 1), (9, 1), (1, 9), (9, 9)])
def test_classes_are_weighed_where_they_lie(shape):
    rng = np.random.default_rng(0)
    height, width = 300, 700
    nodes = [np.linspace(0, length - 1, count) if count > 1 else np.zeros(1)
             for length, count in zip((height, width), shape, strict=True)]  # fmt: skip
    areas = PixelAreas(nodes[0], nodes[1], rng.random(shape) + 0.5)
    ids = rng.integers(0, 3, (height, width)).astype(np.uint8)
    ids[:40] = 2
    ids[rng.random(ids.shape) < 0.1] = 255
    count = AreaCount(3, areas)
    for top, bottom in ((0, 130), (130, 131), (131, 300)):
        for left, right in ((0, 400), (400, 700)):
            count.add(ids[top:bottom, left:right], Window(top, bottom, left, right))
    made = count.areas("scene", ("a", "b", "c"))
    # Linear in one axis and then in the other is what scipy does too.
    from scipy.interpolate import RegularGridInterpolator

    axes = [each if len(each) > 1 else np.array([0.0, length])
            for each, length in zip(nodes, (height, width), strict=True)]  # fmt: skip
    values = np.broadcast_to(areas.hectares, [max(2, count) for count in shape])
    each = RegularGridInterpolator(axes, values)(np.indices((height, width)).reshape(2, -1).T).reshape(height, width)
    assert made.hectares == pytest.approx([each[ids == number].sum() for number in range(3)])
    assert made.missing_hectares == pytest.approx(each[ids == 255].sum())
    assert made.pixels.tolist() == [int((ids == number).sum()) for number in range(3)]
