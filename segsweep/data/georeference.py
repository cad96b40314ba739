"""Whether an image and its mask lie in one place on Earth, where both say where they lie."""

from pathlib import Path
from typing import Any

import numpy as np

from segsweep.errors import DataError

TOLERANCE = 0.5
"""Pixels of the image that a corner of the mask may lie beside its own; programs differ by half a pixel in whether
coordinates are those of a pixel's corner or of its centre."""
_ROUNDING = 1e-3
_SAID = 0.05
"""Pixels from which a distance is worth a word."""


def require_one_place(image: Any, mask: Any, image_path: Path, mask_path: Path) -> None:
    """Refuse a mask that lies elsewhere than its image; where one of the two has no georeference, nothing is known.

    Args:
        image: opened by rasterio.
        mask: the same of its mask, with as many rows and columns.
        image_path: of the image, for messages.
        mask_path: of the mask, for messages.

    Raises:
        DataError: saying how far apart they lie.
    """
    if not (_is_placed(image) and _is_placed(mask)):
        return
    corners, elsewhere = _corners(mask), ""
    if image.crs is not None and mask.crs is not None and image.crs != mask.crs:
        # Two descriptions of one system, or two systems that agree here, are no mistake.
        corners = _projected(corners, mask.crs, image.crs)
        elsewhere = f"lies in {_name(mask.crs)} and {image_path.name} in {_name(image.crs)}, "
    to_pixels = ~image.transform
    beside = _applied(to_pixels, corners) - _applied(to_pixels, _corners(image))
    apart = np.hypot(*beside)
    if (apart <= TOLERANCE + _ROUNDING).all():
        return
    raise DataError(
        f"{mask_path}: {elsewhere or f'lies elsewhere than {image_path.name}, '}{_words(beside, apart)}; bring it onto "
        "the image's grid (rio warp MASK NEW.tif --like IMAGE), or, if its pixels do match the image's, give it the "
        "image's place (rio edit-info MASK --like IMAGE --crs like --transform like)"
    )


def _words(beside: np.ndarray, apart: np.ndarray) -> str:
    if not np.isfinite(apart).all():
        return "and it is not where the image can lie"
    if apart[0] <= TOLERANCE + _ROUNDING:
        return f"its upper left corner where the image's is, and another one {apart.max():.1f} pixels from the image's"
    (right, down), (to_side, to_end) = beside[:, 0], (("right", "left"), ("below", "above"))
    sides = [f"{abs(right):.1f} pixels {to_side[bool(right < 0)]} of"] * bool(abs(right) >= _SAID)
    ends = [f"{abs(down):.1f} pixels {to_end[bool(down < 0)]}"] * bool(abs(down) >= _SAID)
    return f"its upper left corner {' and '.join(sides + ends)} the image's"


def _is_placed(raster: Any) -> bool:
    return not raster.transform.is_identity and not raster.transform.is_degenerate


def _projected(coordinates: np.ndarray, source: Any, target: Any) -> np.ndarray:
    """Coordinates (2, N) in another system; infinite where they have none there."""
    from rasterio._err import CPLE_BaseError  # what PROJ cannot do is in no public place
    from rasterio.errors import RasterioError
    from rasterio.warp import transform

    try:
        return np.array(transform(source, target, *coordinates))
    except (RasterioError, CPLE_BaseError):
        return np.full_like(coordinates, np.inf)


def _corners(raster: Any) -> np.ndarray:
    """Coordinates (2, 4) of the corners, the upper left one first."""
    columns, rows = np.array([0, 1, 0, 1]) * raster.width, np.array([0, 0, 1, 1]) * raster.height
    return _applied(raster.transform, np.array([columns, rows], np.float64))


def _applied(transform: Any, points: np.ndarray) -> np.ndarray:
    """Points (2, N) after an affine transform."""
    a, b, c, d, e, f = transform[:6]
    return np.array([[a, b], [d, e]]) @ points + np.array([[c], [f]])


def _name(crs: Any) -> str:
    code = crs.to_epsg()
    return f"EPSG:{code}" if code is not None else "another coordinate system"
