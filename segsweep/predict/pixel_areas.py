"""How large the pixels of a scene are on the ground, in any coordinate system.

A projection stretches areas: a pixel of 20 m x 20 m in Web Mercator covers 100 m2 at 60 degrees north. So pixels are
measured on the ellipsoid of their coordinate system, in geocentric coordinates. There the area of a pixel is the length
of the cross product of its height and its width, also at the poles and at the antimeridian. It varies smoothly within a
scene, so it is measured on a grid of nodes, as dense as the scene needs, and interpolated.
"""

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from segsweep.predict.scene import Window

_SQUARE_METRES = 10_000
"""Of a hectare."""
_TOLERANCE = 5e-5
"""Relative error of the interpolation, in the middle between two nodes."""
_FIRST = 9
"""Nodes along each axis before the grid is refined."""
_MOST = 2**19
"""Nodes of the finest grid."""
_POLE = math.pi / 2 + 1e-9
"""Largest latitude, radians."""


class UnknownAreas(Exception):
    """The areas of a scene's pixels are not known; the message says why."""


@dataclass(frozen=True)
class PixelAreas:
    """The area on the ground of each pixel of a scene."""

    rows: np.ndarray
    """(R,) float64, ascending: row of each node; a single one where the area is the same in all rows."""
    columns: np.ndarray
    """(C,) float64, ascending: column of each node; a single one where the area is the same in all columns."""
    hectares: np.ndarray = field(repr=False)
    """(R, C) float64: area of a pixel at each node."""

    def of(self, window: "Window") -> np.ndarray:
        """Hectares of each pixel in a window, float64 (h, w); h or w is 1 where all rows or all columns are alike."""
        tall = _interpolated(self.rows, self.hectares, window.top, window.bottom)
        return _interpolated(self.columns, tall.T, window.left, window.right).T


def pixel_areas(wkt: str, transform: Any, height: int, width: int) -> PixelAreas:
    """Measure the pixels of a scene, to within 0.02 %.

    Args:
        wkt: coordinate system of the scene, as well-known text.
        transform: affine.Affine, from column and row to coordinates (x, y) or (longitude, latitude).
        height: of the scene, pixels.
        width: of the scene, pixels.

    Raises:
        ImportError: pyproj is not installed.
        UnknownAreas: the coordinate system is neither projected nor geographic, or the scene reaches beyond it.
    """
    surface = _Surface(transform, *_geodetic(wkt))
    surface.require_whole(height, width)
    rows, columns = _nodes(height, _FIRST), _nodes(width, _FIRST)
    while True:
        areas = surface.areas(rows, columns)
        finer_rows = len(rows) < height and _is_coarse(areas, surface.areas(_middles(rows), columns))
        finer_columns = len(columns) < width and _is_coarse(areas.T, surface.areas(rows, _middles(columns)).T)
        if not (finer_rows or finer_columns):
            break
        rows = _nodes(height, 2 * len(rows)) if finer_rows else rows
        columns = _nodes(width, 2 * len(columns)) if finer_columns else columns
        if len(rows) * len(columns) > _MOST:
            raise UnknownAreas("they vary too much within it to be measured")
    rows, areas = _merged(rows, areas)
    columns, turned = _merged(columns, areas.T)
    return PixelAreas(rows, columns, turned.T / _SQUARE_METRES)


@dataclass(frozen=True)
class _Surface:
    """The ellipsoid under a scene; columns and rows are of the middle of pixels, broadcast against each other."""

    transform: Any
    transformer: Any
    """pyproj's, from coordinates to longitude and latitude on the same datum."""
    unit: float
    """Radians in the unit of these."""
    semi_major: float
    """Metres."""
    flattening: float

    def geodetic(self, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Longitudes and latitudes, radians; infinite outside of the coordinate system."""
        place = self.transform
        # The coordinates of a transform are those of the corners of pixels.
        columns, rows = np.broadcast_arrays(columns + 0.5, rows + 0.5)
        x = place.a * columns + place.b * rows + place.c
        y = place.d * columns + place.e * rows + place.f
        longitudes, latitudes = self.transformer.transform(x, y)
        return longitudes * self.unit, latitudes * self.unit

    def points(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Geocentric coordinates (..., 3), metres; not finite outside of the coordinate system."""
        longitudes, latitudes = self.geodetic(rows, columns)
        with np.errstate(invalid="ignore"):
            squared = self.flattening * (2 - self.flattening)
            normal = self.semi_major / np.sqrt(1 - squared * np.sin(latitudes) ** 2)
            across = normal * np.cos(latitudes)
            up = (1 - squared) * normal * np.sin(latitudes)
            return np.stack([across * np.cos(longitudes), across * np.sin(longitudes), up], axis=-1)

    def require_whole(self, height: int, width: int) -> None:
        """Raises UnknownAreas where a corner of the scene lies nowhere on Earth."""
        corners = np.array([[-0.5], [height - 0.5]]), np.array([[-0.5, width - 0.5]])
        if not self.transform.determinant:
            raise UnknownAreas("its transform gives them none")
        longitudes, latitudes = self.geodetic(*corners)
        if not (np.isfinite(longitudes).all() and (np.abs(latitudes) <= _POLE).all()):
            raise UnknownAreas("parts of it lie outside of its coordinate system")

    def areas(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """(R, C) float64: square metres of a pixel at each of the rows (R,) and columns (C,).

        Raises:
            UnknownAreas: one lies nowhere on Earth.
        """
        rows = rows[:, None]
        height = self.points(rows + 0.5, columns) - self.points(rows - 0.5, columns)
        width = self.points(rows, columns + 0.5) - self.points(rows, columns - 0.5)
        areas = np.linalg.norm(np.cross(height, width), axis=-1)
        if not np.isfinite(areas).all():
            raise UnknownAreas("parts of it lie outside of its coordinate system")
        return areas


@lru_cache(maxsize=8)
def _geodetic(wkt: str) -> tuple[Any, float, float, float]:
    """As `_Surface` has it: transformer, unit, semi-major axis and flattening."""
    from pyproj import CRS, Transformer
    from pyproj.exceptions import DataDirError, ProjError

    try:
        # Of the systems that are left below, all have what pyproj's types call optional.
        system: Any = CRS.from_wkt(wkt)
        while system.is_bound or system.is_compound:
            system = system.source_crs if system.is_bound else system.sub_crs_list[0]
        if not (system.is_projected or system.is_geographic):
            raise UnknownAreas(f"its coordinate system is of the type {system.type_name}")
        geodetic = system.geodetic_crs
        if geodetic.is_derived:
            # Its poles are not those of the ellipsoid.
            geodetic = geodetic.source_crs
        transformer = Transformer.from_crs(system.to_2d(), geodetic.to_2d(), always_xy=True)
    except (ProjError, DataDirError) as error:
        raise UnknownAreas(f"its coordinate system is not understood: {str(error).splitlines()[0]}") from error
    ellipsoid = geodetic.ellipsoid
    unit = geodetic.axis_info[0].unit_conversion_factor
    return transformer, unit, ellipsoid.semi_major_metre, 1 - ellipsoid.semi_minor_metre / ellipsoid.semi_major_metre


def _nodes(length: int, most: int) -> np.ndarray:
    return np.linspace(0, length - 1, min(length, most))


def _middles(nodes: np.ndarray) -> np.ndarray:
    return (nodes[:-1] + nodes[1:]) / 2


def _is_coarse(areas: np.ndarray, between: np.ndarray) -> bool:
    """Whether areas (N, M) at nodes do not tell well enough those in the middles (N - 1, M)."""
    return bool((np.abs(_middles(areas) - between) > _TOLERANCE * between).any())


def _merged(nodes: np.ndarray, areas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and areas (N, M); one node with their mean where they hardly differ."""
    mean = areas.mean(axis=0, keepdims=True)
    alike = (np.abs(areas - mean) <= _TOLERANCE * mean).all()
    return (nodes[:1], mean) if alike else (nodes, areas)


def _interpolated(nodes: np.ndarray, values: np.ndarray, first: int, last: int) -> np.ndarray:
    """Values (N, M) at nodes, linearly between them, for each whole number from `first` to before `last`."""
    if len(nodes) == 1:
        return values
    wanted = np.arange(first, last)
    lower = np.clip(np.searchsorted(nodes, wanted, side="right") - 1, 0, len(nodes) - 2)
    share = ((wanted - nodes[lower]) / (nodes[lower + 1] - nodes[lower]))[:, None]
    return values[lower] * (1 - share) + values[lower + 1] * share
