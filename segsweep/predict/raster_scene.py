"""Scenes in GeoTIFF and JPEG 2000, read by windows with rasterio."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from segsweep.data.declared_scale import declared_scale
from segsweep.data.image_files import opened_raster
from segsweep.data.orientation import AS_STORED, raster_orientation
from segsweep.data.raster_no_data import Declared, declared, invalid_values, is_mask
from segsweep.data.raster_pages import is_stack
from segsweep.errors import DataError
from segsweep.predict.adapted_readers import scaled_scene, turned_scene
from segsweep.predict.pixel_areas import PixelAreas, UnknownAreas, pixel_areas
from segsweep.predict.scene import LARGEST, LARGEST_BLOCK, Place, Scene, Window, either, not_finite

_DRIVERS = ("GTiff", "JP2OpenJPEG", "JP2KAK", "JP2ECW", "JP2MrSID")
_READ_AHEAD = 2**26
"""Bytes."""
_BLOCKS_CHECKED = 50_000
_IN_PIXELS = "areas are in pixels only"
_NEEDS_PYPROJ = "areas are in pixels only; hectares need pyproj: pip install 'segsweep[geo]'"


class RasterReader:
    """An opened raster, which is best read downwards.

    GDAL decodes a block anew for each window that cuts it. So rows are read ahead, to the end of the blocks that a
    window cuts, and kept.
    """

    def __init__(self, raster: Any, nodata: float | None, says: Declared, alpha: bool, alpha_is_band: bool):
        """Reads a raster.

        Args:
            raster: opened.
            nodata: what is no data in bands of which the file does not say it.
            says: what it declares to be no data.
            alpha: whether its alpha band holds what a mask does.
            alpha_is_band: whether it is no mask for those who read it as a band.
        """
        self._raster, self._nodata, self._says = raster, nodata, says
        self._alpha, self._alpha_is_band = alpha, alpha_is_band
        self._kept = np.zeros((0, 0, 0))
        self._kept_of: tuple[int, int, tuple[int, ...]] | None = None
        """Left, right and bands."""
        self._top = 0

    def read(self, window: Window, channels: tuple[int, ...]) -> np.ndarray:
        bottom = self._top + self._kept.shape[1]
        if self._kept_of != (window.left, window.right, channels) or not self._top <= window.top <= bottom:
            self._kept_of = (window.left, window.right, channels)
            self._kept, self._top = self._read(window, channels, self._kept[:, :0]), window.top
        elif bottom < window.bottom:
            above = self._kept[:, window.top - self._top :]
            self._kept, self._top = self._read(window, channels, above), window.top
        return self._kept[:, window.top - self._top : window.bottom - self._top]

    def invalid(self, pixels: np.ndarray, window: Window, channels: tuple[int, ...]) -> np.ndarray | None:
        declared = invalid_values(
            self._raster,
            self._says,
            pixels,
            value=self._nodata,
            alpha_is_mask=self._alpha and not (self._alpha_is_band and self._says.alpha in channels),
            channels=channels,
            window=raster_window(window),
        )
        return either(declared, not_finite(pixels))

    def _read(self, window: Window, channels: tuple[int, ...], above: np.ndarray) -> np.ndarray:
        """To the end of its blocks, if not too much; its first rows are known: `above` (C, h, w)."""
        known = above.shape[1]
        block = self._raster.block_shapes[0][0]
        bottom = min(math.ceil(window.bottom / block) * block, self._raster.height)
        dtype = np.dtype(self._raster.dtypes[0])
        if (bottom - window.top - known) * window.width * len(channels) * dtype.itemsize > _READ_AHEAD:
            bottom = window.bottom
        rows = np.empty((len(channels), bottom - window.top, window.width), dtype)
        if known:
            rows[:, :known] = above
        unknown = raster_window(Window(window.top + known, bottom, window.left, window.right))
        self._raster.read([channel + 1 for channel in channels], out=rows[:, known:], window=unknown)
        return rows


def raster_scene(path: Path, nodata: float | None, alpha_is_band: bool = False) -> Scene:
    """The scene in a raster file; only its head is read, and an alpha band until it is seen to be no mask.

    Args:
        path: of the file.
        nodata: value that is no data, where the file does not say it.
        alpha_is_band: whether its alpha band is no mask for those who read it as a band like the others.

    Raises:
        DataError: it cannot be read, is truncated, or cannot be read by windows.
    """
    with opened_raster(path) as raster:
        if raster.driver not in _DRIVERS and not is_stack(raster):
            raise DataError(f"{path}: is {raster.driver} by its content; rasters are GeoTIFF or JPEG 2000")
        _check(path, raster)
        place, notes = _place(path, raster)
        says = declared(raster)
        alpha = says.alpha is not None and all(map(is_mask, _parts(raster, says.alpha)))
        if says.alpha is not None:
            what = "holds 0 and 255 alone; as a mask, it says which pixels have no data" if alpha else (
                "holds other values than 0 and 255, so it is no mask"
            )  # fmt: skip
            notes = (*notes, f"{path}: band {says.alpha} (from 0) is tagged as alpha and {what}")
        names = tuple(name for name in raster.descriptions if name)
        scene_shape = (raster.height, raster.width, raster.count, raster.dtypes[0])
        orientation, scale = raster_orientation(path, raster), declared_scale(raster)

    @contextmanager
    def reading() -> Iterator[RasterReader]:
        with opened_raster(path) as opened:
            yield RasterReader(opened, nodata, says, alpha, alpha_is_band)

    scene = Scene(
        path,
        path.stem,
        *scene_shape,
        opened=reading,
        band_names=names if len(names) == scene_shape[2] else (),
        place=place,
        is_raster=True,
        notes=notes,
    )
    scene = scene if orientation == AS_STORED else turned_scene(scene, orientation)
    return scene if scale is None else scaled_scene(scene, scale)


def _parts(raster: Any, band: int) -> Iterator[np.ndarray]:
    """A band, some rows of blocks at a time."""
    from rasterio.windows import Window as RasterWindow

    rows = raster.block_shapes[band][0]
    height = max(1, _READ_AHEAD // (rows * raster.width * np.dtype(raster.dtypes[band]).itemsize)) * rows
    for top in range(0, raster.height, height):
        yield raster.read(band + 1, window=RasterWindow(0, top, raster.width, min(height, raster.height - top)))


def _check(path: Path, raster: Any) -> None:
    types = sorted(set(raster.dtypes))
    if len(types) > 1 or np.dtype(types[0]).kind not in "uif":
        raise DataError(f"{path}: bands of the types {', '.join(types)}; all need one type of numbers")
    if raster.width * raster.height > LARGEST:
        raise DataError(f"{path}: {raster.width} x {raster.height} pixels, more than {LARGEST}; cut it into pieces")
    block = max(map(math.prod, raster.block_shapes)) * np.dtype(types[0]).itemsize
    if raster.profile.get("interleave") == "pixel":
        block *= raster.count
    if block > LARGEST_BLOCK:
        raise DataError(
            f"{path}: is stored in blocks of {block / 2**30:.1f} GiB, of which each must be in memory as a whole; "
            "rewrite it with gdal_translate -co TILED=YES"
        )
    if raster.driver == "GTiff":
        _check_whole(path, raster)


def _check_whole(path: Path, raster: Any) -> None:
    """Raises DataError where a block lies behind the end of the file."""
    size = path.stat().st_size
    bands = range(1, 2 if raster.profile.get("interleave") == "pixel" else raster.count + 1)
    height, width = raster.block_shapes[0]
    rows, columns = math.ceil(raster.height / height), math.ceil(raster.width / width)
    first = max(0, rows - max(1, _BLOCKS_CHECKED // (columns * len(bands))))
    for band in bands:
        for row in range(first, rows):
            for column in range(columns):
                start = raster.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=band)
                length = raster.get_tag_item(f"BLOCK_SIZE_{column}_{row}", "TIFF", bidx=band)
                if start is not None and length is not None and int(start) + int(length) > size:
                    raise DataError(f"{path}: is truncated: of its {size} bytes, row {row * height} would lie behind")


def _place(path: Path, raster: Any) -> tuple[Place | None, tuple[str, ...]]:
    """Where the scene lies, and what the user should know about it."""
    points, system = raster.gcps
    if raster.transform.is_identity:
        if points or raster.rpcs is not None:
            how = "ground control points" if points else "rational polynomials"
            note = f"{path}: is placed by {how}, which its maps keep; {_IN_PIXELS}"
            return Place(system or raster.crs, None, None, tuple(points), raster.rpcs), (note,)
        if raster.crs is None:
            return None, (f"{path}: has no georeference, so its maps have none either, and {_IN_PIXELS}",)
        note = f"{path}: has a coordinate system, and no transform that places it there; {_IN_PIXELS}"
        return Place(raster.crs, raster.transform, None), (note,)
    if raster.crs is None:
        note = f"{path}: does not say its coordinate system; {_IN_PIXELS}"
        return Place(None, raster.transform, None, rational=raster.rpcs), (note,)
    areas, notes = _areas(path, raster)
    return Place(raster.crs, raster.transform, areas, rational=raster.rpcs), notes


def _areas(path: Path, raster: Any) -> tuple[PixelAreas | None, tuple[str, ...]]:
    """Of its pixels, or a note that says why they are not known."""
    from rasterio.errors import CRSError

    try:
        wkt = raster.crs.to_wkt(version="WKT2_2019")
        return pixel_areas(wkt, raster.transform, raster.height, raster.width), ()
    except ImportError:
        # The same line for all scenes, which is said once.
        return None, (_NEEDS_PYPROJ,)
    except (UnknownAreas, CRSError) as error:
        return None, (f"{path}: the areas of its pixels are not known, as {error}; {_IN_PIXELS}",)


def raster_window(window: Window) -> Any:
    from rasterio.windows import Window as RasterWindow

    return RasterWindow(window.left, window.top, window.width, window.height)
