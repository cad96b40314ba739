"""Whether the band that rasters tag as alpha is a mask, or a band of another kind that was tagged so.

GDAL takes the fourth of four bands of 8 bits for alpha, near infrared too. A mask holds nothing but 0 and 255.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segsweep.config.data_schema import StoredDataConfig
from segsweep.data import raster_no_data, raster_pages
from segsweep.data.array_cache import cached_arrays
from segsweep.data.image_files import RASTERS, opened_raster
from segsweep.data.parallel import in_parallel
from segsweep.data.raster_no_data import declared, is_mask
from segsweep.errors import DataError

_AT_ONCE = 16
_CODE = [Path(__file__), *(Path(module.__file__ or "") for module in (raster_no_data, raster_pages))]


@dataclass(frozen=True)
class AlphaBand:
    """What the band that the files of a data set tag as alpha is taken for."""

    is_mask: bool
    """Whether 0 in it marks pixels without data."""
    is_band: bool
    """Whether it is a band like the others, and no mask."""
    remark: str | None
    """What the user should know of it."""


NO_ALPHA = AlphaBand(is_mask=False, is_band=False, remark=None)


def alpha_band(paths: Sequence[Path], config: StoredDataConfig) -> AlphaBand:
    """What the alpha band of these images is; the first of them says whether there is one.

    It is a mask where it holds nothing but 0 and 255 (or the largest number of 16 bits) in all files, and
    `data.channels` does not name it. Without `data.channels` such a mask is used as a band too, and is constant in it.
    """
    if not paths or paths[0].suffix.lower() not in RASTERS:
        return NO_ALPHA
    with opened_raster(paths[0]) as raster:
        alpha, bands = declared(raster).alpha, raster.count
    if alpha is None:
        return NO_ALPHA
    named = f"band {alpha} (from 0) of the images is tagged as alpha"
    if config.channels is not None and alpha in config.channels:
        return AlphaBand(False, True, f"{named}; data.channels names it, so it is a band like the others, and no mask")
    if not _are_masks(paths):
        used = config.channels is None
        return AlphaBand(
            False, used, f"{named} and holds other values than 0 and 255; it is no mask{', but a band' * used}"
        )
    others = ",".join(str(band) for band in range(bands) if band != alpha)
    also = f"; it is a constant band too, which data.channels=[{others}] leaves out" if config.channels is None else ""
    return AlphaBand(True, False, f"{named} and holds 0 and 255 alone: it is a mask, and pixels of 0 are no data{also}")


def _are_masks(paths: Sequence[Path]) -> bool:
    """Whether all alpha bands are masks; files are read until one is not, and what was found is kept."""

    def look() -> dict[str, np.ndarray]:
        rasters = [path for path in paths if path.suffix.lower() in RASTERS]
        for start in range(0, len(rasters), _AT_ONCE):
            if not all(in_parallel(_is_mask, rasters[start : start + _AT_ONCE])):
                return {"are": np.array(False)}
        return {"are": np.array(True)}

    settings = {"files": [_state(path) for path in paths]}
    return bool(cached_arrays("alpha", settings, _CODE, look, folder="surveys")["are"])


def _state(path: Path) -> list[str | int]:
    state = path.stat() if path.is_file() else None
    return [str(path.absolute()), *((state.st_size, state.st_mtime_ns) if state is not None else ())]


def _is_mask(path: Path) -> bool:
    try:
        with opened_raster(path) as raster:
            alpha = declared(raster).alpha
            return alpha is None or is_mask(raster.read(alpha + 1))
    except DataError:
        # What is wrong with it is said, with all other problems, when the files are looked at.
        return True
