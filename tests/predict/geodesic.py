"""pyproj's area of a part of a scene: what areas on the ground are held against."""

import numpy as np
from affine import Affine
from pyproj import CRS, Transformer

from segsweep.predict.scene import Window


def geodesic_hectares(system: str, place: Affine, window: Window, on_an_edge: int = 60) -> float:
    """Of a window, whose edges are straight in the scene's own coordinates, by a polygon of geodesics."""
    crs = CRS(system)
    geodetic = crs.geodetic_crs.source_crs if crs.geodetic_crs.is_derived else crs.geodetic_crs
    share = np.linspace(0, 1, on_an_edge)[:-1]
    columns = window.left + window.width * np.concatenate([share, 1 + 0 * share, 1 - share, 0 * share])
    rows = window.top + window.height * np.concatenate([0 * share, share, 1 + 0 * share, 1 - share])
    longitudes, latitudes = Transformer.from_crs(crs, geodetic, always_xy=True).transform(
        place.a * columns + place.b * rows + place.c, place.d * columns + place.e * rows + place.f
    )
    degrees = np.degrees(geodetic.axis_info[0].unit_conversion_factor)
    area, _ = geodetic.get_geod().polygon_area_perimeter(longitudes * degrees, latitudes * degrees)
    return abs(area) / 10_000
