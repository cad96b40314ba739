"""The map of a synthetic farmland: parcels in blocks, and the forests, waters, villages, roads and hedges over them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from segsweep.data.parcel_spectra import Surface

CELL = 5.0
"""Side of a cell of the map, in metres: half a pixel of Sentinel-2's finest bands."""

_PARCEL_USES = {
    Surface.WINTER_CEREAL: 0.23,
    Surface.RAPESEED: 0.12,
    Surface.MAIZE: 0.20,
    Surface.BEET: 0.11,
    Surface.MEADOW: 0.30,
    Surface.BARE: 0.04,
}
"""How often a parcel is used for what."""
_LARGEST_PARCEL = (30_000.0, 90_000.0)
"""Square metres above which a block's parcels are divided; differs from block to block."""


@dataclass(frozen=True)
class Patch:
    """A piece of ground with one use."""

    surface: Surface
    axis: float
    """Direction along which it is worked, in radians from the x axis (columns)."""


@dataclass(frozen=True)
class Layout:
    """Which patch each cell belongs to."""

    index: np.ndarray
    """(N, N) int, into `patches`."""
    patches: tuple[Patch, ...]


@dataclass(frozen=True)
class _Rectangle:
    """A parcel in the frame of its block, in metres."""

    left: float
    right: float
    top: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top


@lru_cache(maxsize=32)
def _response(cells: int, centre: float, spread: float) -> np.ndarray:
    """Weights (cells, cells // 2 + 1) float64 of a half spectrum: a ring; centre and spread in cycles per metre."""
    frequency = np.hypot(np.fft.fftfreq(cells, CELL)[:, None], np.fft.rfftfreq(cells, CELL))
    weights = np.exp(-0.5 * ((frequency - centre) / spread) ** 2)
    weights[0, 0] = 0
    return weights


def _field(rng: np.random.Generator, response: np.ndarray) -> np.ndarray:
    """Noise of mean 0 and variance 1 with that spectrum; wraps around at the edges."""
    cells = len(response)
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((cells, cells))) * response, (cells, cells))
    return field / field.std()


def smooth_field(rng: np.random.Generator, cells: int, scale: float) -> np.ndarray:
    """Random field (cells, cells) float64 of mean 0 and variance 1: noise blurred by a Gaussian of `scale` metres."""
    return _field(rng, _response(cells, 0.0, 1 / (2 * np.pi * scale)))


def undirected_field(rng: np.random.Generator, cells: int, period: float) -> np.ndarray:
    """Random field (cells, cells) float64 of mean 0 and variance 1: blotches of about `period` metres, no direction."""
    return _field(rng, _response(cells, 1 / period, 0.5 / period))


def _split(rectangle: _Rectangle, largest: float, rng: np.random.Generator) -> Iterator[_Rectangle]:
    """Cuts a rectangle until no part is larger than some `largest` square metres; parts are at least some 56 m wide."""
    area = rectangle.width * rectangle.height
    along = rectangle.width >= rectangle.height * rng.uniform(0.55, 1.8)
    side = rectangle.width if along else rectangle.height
    if area <= largest * rng.uniform(0.6, 1.4) or side < 160:
        yield rectangle
        return
    cut = side * rng.uniform(0.35, 0.65)
    left, right, top, bottom = rectangle.left, rectangle.right, rectangle.top, rectangle.bottom
    if along:
        parts = _Rectangle(left, left + cut, top, bottom), _Rectangle(left + cut, right, top, bottom)
    else:
        parts = _Rectangle(left, right, top, top + cut), _Rectangle(left, right, top + cut, bottom)
    for part in parts:
        yield from _split(part, largest, rng)


class _Map:
    """A layout in the making, on coordinates (N, N) in metres; later paint covers earlier."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        self.x = x
        self.y = y
        self.extent = float(x.max())
        self.index = np.zeros(x.shape, np.int64)
        self.patches: list[Patch] = []

    def turned(self, angle: float, x: float = 0.0, y: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates along and across `angle` (radians), from the point (x, y)."""
        along, across = self.x - x, self.y - y
        return (
            np.cos(angle) * along + np.sin(angle) * across,
            np.cos(angle) * across - np.sin(angle) * along,
        )

    def paint(self, where: np.ndarray, surface: Surface, axis: float = 0.0) -> None:
        self.index[where] = len(self.patches)
        self.patches.append(Patch(surface, axis))


def _paint_block(map_: _Map, where: np.ndarray, angle: float, rng: np.random.Generator) -> None:
    """Parcels of a common direction, some with grass margins or hedges, on the cells `where`."""
    u, v = map_.turned(angle)
    bounds = _Rectangle(u[where].min(), u[where].max() + 1, v[where].min(), v[where].max() + 1)
    uses = list(_PARCEL_USES)
    margin = np.zeros_like(where)
    hedge = np.zeros_like(where)
    for part in _split(bounds, rng.uniform(*_LARGEST_PARCEL), rng):
        inside = where & (u >= part.left) & (u < part.right) & (v >= part.top) & (v < part.bottom)
        if not inside.any():
            continue
        lengthwise = part.width >= part.height
        if rng.random() < 0.15:
            lengthwise = not lengthwise
        use = uses[rng.choice(len(uses), p=list(_PARCEL_USES.values()))]
        map_.paint(inside, use, angle if lengthwise else angle + np.pi / 2)
        if rng.random() < 0.15:
            width = rng.uniform(7, 12)
            margin |= inside & ((u - part.left < width) | (v - part.top < width))
        if rng.random() < 0.12:
            hedge |= inside & (v - part.top < rng.uniform(12, 22))
    map_.paint(margin, Surface.MEADOW)
    map_.paint(hedge, Surface.HEDGE)


def _paint_village(map_: _Map, roofs: int, radius: float, rng: np.random.Generator) -> None:
    """Gardens and yards around some roofs; a lonely farm when `radius` (metres) is small."""
    centre_x, centre_y = rng.uniform(0, map_.extent, 2)
    map_.paint(np.hypot(map_.x - centre_x, map_.y - centre_y) < radius, Surface.SETTLEMENT)
    u, v = map_.turned(rng.uniform(0, np.pi), centre_x, centre_y)
    for _ in range(roofs):
        at_u, at_v = rng.uniform(-0.7 * radius, 0.7 * radius, 2)
        half_u, half_v = rng.uniform(5, 16), rng.uniform(4, 9)
        map_.paint((np.abs(u - at_u) < half_u) & (np.abs(v - at_v) < half_v), Surface.ROOF)


def _paint_road(map_: _Map, rng: np.random.Generator) -> None:
    angle = rng.uniform(0, np.pi)
    _, across = map_.turned(angle, *rng.uniform(0.1 * map_.extent, 0.9 * map_.extent, 2))
    map_.paint(np.abs(across) < rng.uniform(3, 7), Surface.ROAD)


def _paint_fields(map_: _Map, rng: np.random.Generator) -> None:
    """Two blocks of parcels that meet at a straight fault."""
    angle, fault = rng.uniform(0, np.pi, 2)
    beyond = map_.turned(fault, *rng.uniform(0, map_.extent, 2))[0] > 0
    for side in (beyond, ~beyond):
        if side.any():
            _paint_block(map_, side, angle, rng)
        angle += rng.uniform(0.3, 1.2)


def _paint_waters(map_: _Map, rng: np.random.Generator) -> None:
    """Now and then ponds, or else a winding river."""
    if rng.random() < 0.3:
        map_.paint(smooth_field(rng, len(map_.x), 60) > rng.uniform(1.2, 2.2), Surface.WATER)
    elif rng.random() < 0.2:
        along, across = map_.turned(rng.uniform(0, np.pi), *rng.uniform(0.2 * map_.extent, 0.8 * map_.extent, 2))
        map_.paint(np.abs(across + 25 * np.sin(along / 60)) < rng.uniform(6, 18), Surface.WATER)


def draw_layout(cells: int, rng: np.random.Generator) -> Layout:
    """A random map of `cells` x `cells` cells."""
    row, column = np.mgrid[0:cells, 0:cells] * CELL + CELL / 2
    # Bent coordinates make all straight lines a little crooked.
    map_ = _Map(column + 10 * smooth_field(rng, cells, 80), row + 10 * smooth_field(rng, cells, 80))
    _paint_fields(map_, rng)
    if rng.random() < 0.6:
        map_.paint(smooth_field(rng, cells, 60) > rng.uniform(0.3, 1.6), Surface.FOREST)
    _paint_waters(map_, rng)
    for _ in range(rng.integers(0, 3)):
        _paint_road(map_, rng)
    if rng.random() < 0.25:
        _paint_village(map_, int(rng.integers(8, 20)), rng.uniform(60, 130), rng)
    elif rng.random() < 0.4:
        _paint_village(map_, int(rng.integers(1, 5)), rng.uniform(20, 40), rng)
    return Layout(map_.index, tuple(map_.patches))
