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


@lru_cache(maxsize=64)
def _response(cells: int, period: float, spread: float) -> np.ndarray:
    """Weights (cells, cells // 2 + 1) float64 of the frequencies of a field: a ring about `period`, or a disc."""
    frequency = np.hypot(np.fft.fftfreq(cells, CELL)[:, None], np.fft.rfftfreq(cells, CELL))
    weights = np.exp(-0.5 * ((frequency - (1 / period if np.isfinite(period) else 0)) / spread) ** 2)
    weights[0, 0] = 0
    return weights


def _field(rng: np.random.Generator, response: np.ndarray) -> np.ndarray:
    cells = len(response)
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((cells, cells))) * response, (cells, cells))
    return field / field.std()


def smooth_field(rng: np.random.Generator, cells: int, scale: float) -> np.ndarray:
    """Random field (cells, cells) float64 of mean 0 and variance 1: noise blurred by a Gaussian of `scale` metres."""
    return _field(rng, _response(cells, np.inf, 1 / (2 * np.pi * scale)))


def undirected_field(rng: np.random.Generator, cells: int, period: float) -> np.ndarray:
    """Random field (cells, cells) float64 of mean 0 and variance 1: waves of about `period` metres in all directions."""
    return _field(rng, _response(cells, period, 0.25 / period))


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
    """A layout in the making: later paint covers earlier."""

    def __init__(self, cells: int) -> None:
        self.index = np.zeros((cells, cells), np.int64)
        self.patches: list[Patch] = []

    def paint(self, where: np.ndarray, surface: Surface, axis: float = 0.0) -> None:
        self.index[where] = len(self.patches)
        self.patches.append(Patch(surface, axis))


def _paint_block(
    map_: _Map, where: np.ndarray, x: np.ndarray, y: np.ndarray, angle: float, rng: np.random.Generator
) -> None:
    """Parcels of a common direction, with grass margins and hedges between them, on the cells `where`."""
    u = np.cos(angle) * x + np.sin(angle) * y
    v = np.cos(angle) * y - np.sin(angle) * x
    bounds = _Rectangle(u[where].min(), u[where].max() + 1, v[where].min(), v[where].max() + 1)
    uses = list(_PARCEL_USES)
    margin = np.zeros_like(where)
    hedge = np.zeros_like(where)
    for part in _split(bounds, rng.uniform(30_000, 90_000), rng):
        inside = where & (u >= part.left) & (u < part.right) & (v >= part.top) & (v < part.bottom)
        if not inside.any():
            continue
        along = part.width >= part.height
        if rng.random() < 0.15:
            along = not along
        map_.paint(inside, rng.choice(uses, p=list(_PARCEL_USES.values())), angle if along else angle + np.pi / 2)
        if rng.random() < 0.15:
            width = rng.uniform(7, 12)
            margin |= inside & ((u - part.left < width) | (v - part.top < width))
        if rng.random() < 0.12:
            hedge |= inside & (v - part.top < rng.uniform(12, 22))
    map_.paint(margin, Surface.MEADOW)
    map_.paint(hedge, Surface.HEDGE)


def _paint_village(
    map_: _Map, x: np.ndarray, y: np.ndarray, roofs: int, radius: float, rng: np.random.Generator
) -> None:
    """Gardens and yards around some roofs; a lonely farm when `radius` is small."""
    extent = x.max()
    centre_x, centre_y = rng.uniform(0, extent, 2)
    distance = np.hypot(x - centre_x, y - centre_y)
    map_.paint(distance < radius, Surface.SETTLEMENT)
    angle = rng.uniform(0, np.pi)
    u = np.cos(angle) * (x - centre_x) + np.sin(angle) * (y - centre_y)
    v = np.cos(angle) * (y - centre_y) - np.sin(angle) * (x - centre_x)
    for _ in range(roofs):
        at_u, at_v = rng.uniform(-0.7 * radius, 0.7 * radius, 2)
        half_u, half_v = rng.uniform(5, 16), rng.uniform(4, 9)
        map_.paint((np.abs(u - at_u) < half_u) & (np.abs(v - at_v) < half_v), Surface.ROOF)


def _paint_road(map_: _Map, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> None:
    angle, extent = rng.uniform(0, np.pi), x.max()
    point_x, point_y = rng.uniform(0.1 * extent, 0.9 * extent, 2)
    distance = np.abs(np.cos(angle) * (y - point_y) - np.sin(angle) * (x - point_x))
    map_.paint(distance < rng.uniform(3, 7), Surface.ROAD)


def draw_layout(cells: int, rng: np.random.Generator) -> Layout:
    """A random map of `cells` x `cells` cells."""
    row, column = np.mgrid[0:cells, 0:cells] * CELL + CELL / 2
    extent = cells * CELL
    x = column + 10 * smooth_field(rng, cells, 80)
    y = row + 10 * smooth_field(rng, cells, 80)
    map_ = _Map(cells)

    angle = rng.uniform(0, np.pi)
    fault = rng.uniform(0, np.pi)
    beyond = np.cos(fault) * (x - rng.uniform(0, extent)) + np.sin(fault) * (y - rng.uniform(0, extent)) > 0
    for side in (beyond, ~beyond):
        if side.any():
            _paint_block(map_, side, x, y, angle, rng)
        angle += rng.uniform(0.3, 1.2)

    if rng.random() < 0.6:
        map_.paint(smooth_field(rng, cells, 60) > rng.uniform(0.3, 1.6), Surface.FOREST)
    if rng.random() < 0.3:
        map_.paint(smooth_field(rng, cells, 60) > rng.uniform(1.2, 2.2), Surface.WATER)
    elif rng.random() < 0.2:
        river = np.abs(np.cos(fault) * (x - extent / 2) + np.sin(fault) * (y - extent / 2) + 25 * np.sin(y / 60))
        map_.paint(river < rng.uniform(6, 18), Surface.WATER)
    for _ in range(rng.integers(0, 3)):
        _paint_road(map_, x, y, rng)
    if rng.random() < 0.25:
        _paint_village(map_, x, y, int(rng.integers(8, 20)), rng.uniform(60, 130), rng)
    elif rng.random() < 0.4:
        _paint_village(map_, x, y, int(rng.integers(1, 5)), rng.uniform(20, 40), rng)
    return Layout(map_.index, tuple(map_.patches))
