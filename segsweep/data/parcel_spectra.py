"""What the surfaces of a synthetic farmland reflect: materials, crop calendars and the mixture each patch is made of.

The reflectances are rounded, typical shapes as spectral libraries and canopy models show them for temperate farmland,
read off at the centres of Sentinel-2's bands: leaves absorb blue and red, rise steeply at the red edge (705 to 783 nm)
to a near-infrared plateau, and fall with their water at 1.6 and 2.2 µm; soil and straw rise steadily; water takes all
light beyond the red; roofs and roads are flat. They are no measurement of any one place.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
"""The bands of a Sentinel-2 level-2A product, in the order of the channels."""

MATERIALS = {
    name: np.array(reflectance)
    for name, reflectance in {
        # band centres, nm:  443   490   560   665   705   740   783   842   865   945  1610  2190
        "cereal leaf":     (.018, .023, .050, .024, .088, .310, .395, .420, .430, .435, .195, .090),
        "broad leaf":      (.018, .023, .060, .026, .105, .350, .450, .475, .485, .485, .215, .095),
        "grass":           (.020, .026, .055, .030, .096, .298, .376, .397, .409, .412, .206, .101),
        "blossom":         (.030, .040, .140, .125, .180, .330, .400, .430, .440, .440, .200, .100),
        "straw":           (.060, .085, .125, .170, .200, .225, .250, .275, .290, .300, .360, .250),
        "deciduous crown": (.012, .015, .034, .017, .064, .250, .325, .345, .355, .355, .150, .060),
        "conifer crown":   (.012, .015, .026, .017, .042, .145, .185, .200, .205, .205, .090, .038),
        "shadow":          (.014, .012, .014, .010, .016, .045, .058, .062, .064, .062, .030, .014),
        "loam":            (.055, .072, .100, .140, .160, .180, .200, .220, .235, .250, .315, .275),
        "humus":           (.040, .050, .066, .086, .100, .115, .132, .147, .157, .170, .225, .190),
        "chalk":           (.105, .135, .180, .235, .258, .275, .292, .308, .320, .330, .395, .345),
        "clear water":     (.030, .032, .030, .016, .013, .009, .008, .007, .006, .005, .003, .002),
        "turbid water":    (.048, .062, .082, .070, .062, .034, .032, .024, .019, .012, .006, .004),
        "asphalt":         (.075, .085, .096, .106, .112, .118, .126, .133, .140, .145, .170, .158),
        "gravel":          (.130, .155, .185, .215, .226, .236, .246, .256, .264, .270, .310, .290),
        "tile":            (.060, .070, .095, .170, .200, .220, .248, .268, .280, .290, .340, .310),
        "concrete":        (.170, .200, .230, .252, .262, .270, .276, .282, .288, .292, .318, .290),
        "bright sheet":    (.980, 1.00, 1.02, 1.03, 1.03, 1.02, 1.01, 1.00, .990, .950, .850, .750),
    }.items()
}  # fmt: skip
"""Reflectance (12,) of each pure material, 0..1; a sheet of metal or glass mirrors more towards the sensor."""


class Surface(IntEnum):
    """What a patch of ground is used for."""

    WINTER_CEREAL = 0
    RAPESEED = 1
    MAIZE = 2
    BEET = 3
    MEADOW = 4
    BARE = 5
    FOREST = 6
    HEDGE = 7
    WATER = 8
    SETTLEMENT = 9
    ROOF = 10
    ROAD = 11


CULTIVATED = (Surface.WINTER_CEREAL, Surface.RAPESEED, Surface.MAIZE, Surface.BEET)
"""The surfaces that the mask calls cultivated, whatever grows on them on the day: tilled soil and stubble count."""


@dataclass(frozen=True)
class Crop:
    """How a crop looks through the year, with straight lines between the given days."""

    leaf: str
    """The material of its green leaves."""
    days: tuple[int, ...]
    """Days of the year, growing."""
    cover: tuple[float, ...]
    """Share of the ground under plants on those days; 0..1."""
    dryness: tuple[float, ...]
    """Share of straw in what stands there; 0..1."""
    blossom: tuple[int, int] | None = None
    """First and last day of a blossom that shows."""


CROPS = {
    Surface.WINTER_CEREAL: Crop(
        leaf="cereal leaf",
        days=(60, 105, 135, 165, 195, 205, 235, 250, 275),
        cover=(0.40, 0.65, 0.92, 0.90, 0.85, 0.50, 0.40, 0.04, 0.25),
        dryness=(0.0, 0.0, 0.0, 0.15, 0.95, 1.0, 1.0, 0.5, 0.0),
    ),
    Surface.RAPESEED: Crop(
        leaf="broad leaf",
        days=(60, 105, 150, 165, 190, 200, 230, 240, 275),
        cover=(0.55, 0.88, 0.93, 0.90, 0.85, 0.45, 0.35, 0.04, 0.60),
        dryness=(0.0, 0.0, 0.0, 0.15, 0.85, 1.0, 1.0, 0.3, 0.0),
        blossom=(112, 140),
    ),
    Surface.MAIZE: Crop(
        leaf="broad leaf",
        days=(120, 145, 185, 210, 245, 270, 280),
        cover=(0.02, 0.12, 0.80, 0.93, 0.90, 0.80, 0.20),
        dryness=(0.0, 0.0, 0.0, 0.05, 0.25, 0.70, 1.0),
    ),
    Surface.BEET: Crop(
        leaf="broad leaf",
        days=(105, 130, 165, 195, 260, 280),
        cover=(0.02, 0.12, 0.75, 0.95, 0.92, 0.50),
        dryness=(0.0, 0.0, 0.0, 0.0, 0.10, 0.30),
    ),
}
"""Typical calendars of central European crops."""

FIRST_DAY, LAST_DAY = 95, 275
"""Days of the year between which scenes are seen."""

_LINE_CONTRAST = (0.20, 0.28)
"""Range of the standard deviation of plant cover across a field's lines."""
_MEADOW_CONTRAST = (0.32, 0.44)
"""The same between tussocks; larger, since the sensor blurs them more: in the images both are as rough."""
_TILLED_BELOW = 0.1
"""Plant cover under which a field shows its tillage: ridges of dry and furrows of moist soil."""
_CLOSED_CANOPY = 0.82
"""Largest mean plant cover: tramlines stay open."""
_BRIGHTEST_ROOF = 4.0
"""Reflectance of a roof that mirrors the sun at the sensor."""


@dataclass(frozen=True)
class Mixture:
    """Two materials that share a patch: `ground * (1 - share) + cover * share`, with a texture in the share."""

    ground: np.ndarray
    """Reflectance (12,)."""
    cover: np.ndarray
    """Reflectance (12,)."""
    share: float
    """Mean share of the cover; 0..1."""
    rows: float = 0.0
    """Standard deviation of the share along tramlines and tillage lines."""
    blotches: float = 0.0
    """Standard deviation of the share between patches without a direction, as coarse as the lines are."""
    drift: float = 0.0
    """Standard deviation of the share across hundreds of metres: soil moisture and depth."""


def _blend(first: str, second: str, weight: float) -> np.ndarray:
    """`weight` of the second material, the rest of the first."""
    return MATERIALS[first] * (1 - weight) + MATERIALS[second] * weight


def _soil(rng: np.random.Generator) -> np.ndarray:
    """Dry soil between humus, loam and chalk."""
    soils = np.stack([MATERIALS["humus"], MATERIALS["loam"], MATERIALS["chalk"]])
    return rng.uniform(0.85, 1.15) * (rng.dirichlet((1.2, 1.6, 0.4)) @ soils)


def _crop(surface: Surface, day: float, rng: np.random.Generator) -> Mixture:
    crop = CROPS[surface]
    day = day + rng.normal(0, 9)  # sowing and weather differ from field to field
    cover = float(np.interp(day, crop.days, crop.cover)) * rng.uniform(0.85, 1.05)
    soil = _soil(rng)
    rows, blotches, drift = rng.uniform(*_LINE_CONTRAST), rng.uniform(0.01, 0.03), rng.uniform(0.0, 0.05)
    if cover < _TILLED_BELOW:
        moist = soil * rng.uniform(0.6, 0.8)
        return Mixture(soil, moist, 0.5, rows=1.25 * rows, blotches=blotches, drift=drift)
    leaf = MATERIALS[crop.leaf]
    if crop.blossom is not None and crop.blossom[0] <= day <= crop.blossom[1]:
        leaf = leaf + rng.uniform(0.3, 0.9) * (MATERIALS["blossom"] - leaf)
    dryness = float(np.interp(day, crop.days, crop.dryness))
    plants = leaf * (1 - dryness) + MATERIALS["straw"] * dryness
    return Mixture(soil, plants, min(cover, _CLOSED_CANOPY), rows=rows, blotches=blotches, drift=drift)


def _meadow(day: float, rng: np.random.Generator) -> Mixture:
    summer = float(np.interp(day, (130, 200, 250), (0.2, 1.0, 0.5)))
    dryness = summer * rng.beta(1.0, 5)
    return Mixture(
        _soil(rng),
        _blend("grass", "straw", dryness),
        rng.uniform(0.65, 0.84),
        blotches=rng.uniform(*_MEADOW_CONTRAST),
        drift=rng.uniform(0.0, 0.05),
    )


def _bare(_: float, rng: np.random.Generator) -> Mixture:
    return Mixture(
        _soil(rng),
        MATERIALS["gravel"],
        rng.uniform(0.3, 0.8),
        blotches=rng.uniform(0.2, 0.3),
        drift=rng.uniform(0.0, 0.12),
    )


def _forest(_: float, rng: np.random.Generator) -> Mixture:
    crown = _blend("deciduous crown", "conifer crown", rng.beta(0.6, 0.6))
    return Mixture(MATERIALS["shadow"], crown, rng.uniform(0.78, 0.9), blotches=rng.uniform(0.08, 0.14), drift=0.05)


def _hedge(_: float, rng: np.random.Generator) -> Mixture:
    return Mixture(MATERIALS["shadow"], _blend("deciduous crown", "grass", rng.uniform(0, 0.5)), 0.8, blotches=0.15)


def _water(_: float, rng: np.random.Generator) -> Mixture:
    return Mixture(MATERIALS["clear water"], MATERIALS["turbid water"], rng.uniform(0.1, 0.8), drift=0.08)


def _settlement(_: float, rng: np.random.Generator) -> Mixture:
    return Mixture(_blend("grass", "deciduous crown", rng.random()), MATERIALS["asphalt"], 0.45, blotches=0.22)


def _roof(_: float, rng: np.random.Generator) -> Mixture:
    # Sheds, glasshouses and solar panels that mirror the sun outshine all else, as they do in real products. They give
    # the bands the long tails that make a common integer scale waste its codes.
    mirror = rng.uniform(0.8, _BRIGHTEST_ROOF) if rng.random() < 0.06 else rng.uniform(0, 0.12)
    return Mixture(
        _blend("tile", "concrete", rng.random()), MATERIALS["bright sheet"] * _BRIGHTEST_ROOF, mirror / _BRIGHTEST_ROOF
    )


def _road(_: float, rng: np.random.Generator) -> Mixture:
    return Mixture(MATERIALS["asphalt"], MATERIALS["gravel"], rng.uniform(0, 1), blotches=0.05)


_MIXTURES: dict[Surface, Callable[[float, np.random.Generator], Mixture]] = {
    Surface.MEADOW: _meadow,
    Surface.BARE: _bare,
    Surface.FOREST: _forest,
    Surface.HEDGE: _hedge,
    Surface.WATER: _water,
    Surface.SETTLEMENT: _settlement,
    Surface.ROOF: _roof,
    Surface.ROAD: _road,
}


def draw_mixture(surface: Surface, day: float, rng: np.random.Generator) -> Mixture:
    """What one patch of the surface consists of on a day of the year."""
    return _crop(surface, day, rng) if surface in CROPS else _MIXTURES[surface](day, rng)
