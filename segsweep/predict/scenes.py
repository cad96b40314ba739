"""From a file to the scenes in it, by what its name says it is."""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

from segsweep.predict.array_scenes import array_scenes
from segsweep.predict.picture_scene import picture_scene
from segsweep.predict.request import ARRAYS, PICTURES, RASTERS
from segsweep.predict.scene import Scene

_Opener = Callable[[Path, int, float | None, Path, bool], Sequence[Scene]]


def scenes_in(
    path: Path, bands: int, nodata: float | None, staging: Path, alpha_is_band: bool = False
) -> Sequence[Scene]:
    """The scenes of a file; only its head is read.

    Args:
        path: whose suffix is one of those in `request`.
        bands: how many the models take.
        nodata: value of pixels without data, where the file does not say it.
        staging: folder for what must be unpacked.
        alpha_is_band: whether the alpha band of a raster is no mask where it is used as a band.

    Raises:
        DataError: it cannot be read.
    """
    return _OPENERS[path.suffix.lower()](path, bands, nodata, staging, alpha_is_band)


def _raster(path: Path, bands: int, nodata: float | None, staging: Path, alpha_is_band: bool) -> Sequence[Scene]:
    if importlib.util.find_spec("rasterio") is None:
        return _picture(path, bands, nodata, staging, alpha_is_band)
    from segsweep.predict.raster_scene import raster_scene

    return [raster_scene(path, nodata, alpha_is_band)]


def _picture(path: Path, bands: int, nodata: float | None, staging: Path, alpha_is_band: bool) -> Sequence[Scene]:
    return [picture_scene(path, bands, nodata)]


def _arrays(path: Path, bands: int, nodata: float | None, staging: Path, alpha_is_band: bool) -> Sequence[Scene]:
    return array_scenes(path, nodata, staging)


_OPENERS: dict[str, _Opener] = {
    **dict.fromkeys(RASTERS, _raster),
    **dict.fromkeys(PICTURES, _picture),
    **dict.fromkeys(ARRAYS, _arrays),
}
