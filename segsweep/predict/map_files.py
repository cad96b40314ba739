"""The files that maps are written to, part by part: Cloud Optimized GeoTIFF for rasters, else PNG and NumPy."""

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from segsweep.data.dataset import IGNORE
from segsweep.errors import SegsweepError
from segsweep.predict.picture_scene import save_picture
from segsweep.predict.products import PRODUCTS, Look
from segsweep.predict.scene import Scene, Window

_BLOCK = 512
"""Pixels of a side of a GeoTIFF's blocks."""
_PART = 256
"""The same, while it is being written."""


@dataclass(frozen=True)
class _Packing:
    """How a raster is compressed, as GDAL calls it."""

    compress: str
    predictor: str
    """It helps where neighbours differ by little."""
    overviews: str
    """How pixels become one."""
    level: int | None = None
    """How much it tries; None: as GDAL does."""

    @property
    def options(self) -> dict[str, Any]:
        chosen = {"compress": self.compress, "predictor": self.predictor, "level": self.level}
        return {name: value for name, value in chosen.items() if value is not None}


_PACKINGS: Mapping[str, _Packing] = {
    # As small as with DEFLATE, give or take a tenth, in a third of the time. Between two classes there is no third.
    "ids": _Packing("LZW", "NO", "nearest"),
    "colours": _Packing("DEFLATE", "NO", "nearest"),
    # Greater levels take twice as long, and make a file of probabilities 1 % smaller.
    "probabilities": _Packing("DEFLATE", "YES", "average", level=1),
    "overlay": _Packing("DEFLATE", "YES", "average"),
}


class MapFile(Protocol):
    """A map that is being written."""

    suffix: str

    def write(self, window: Window, pixels: np.ndarray) -> None:
        """Puts (bands, h, w) in its place."""

    def finish(self, path: Path) -> None:
        """All is written: makes the file that is to be kept."""


def map_suffix(scene: Scene, product: str) -> str:
    """What the file's name ends in."""
    return ".tif" if scene.is_raster else ".npy" if product == "probabilities" else ".png"


def map_file(scene: Scene, product: str, look: Look, staging: Path) -> MapFile:
    """A new map of a scene; what is not finished is in `staging`."""
    if scene.is_raster:
        return _RasterFile(scene, product, look, staging)
    if product == "probabilities":
        return _ArrayFile(scene, look, staging)
    return _PictureFile(scene, product, look)


class _PictureFile:
    suffix = ".png"

    def __init__(self, scene: Scene, product: str, look: Look):
        bands = PRODUCTS[product].bands(look)
        self._pixels = np.zeros((scene.height, scene.width, bands), np.uint8)
        self._palette = (*look.colours, *[(128, 128, 128)] * (IGNORE + 1 - len(look.colours)))
        self._indexed = product == "ids"

    def write(self, window: Window, pixels: np.ndarray) -> None:
        part = self._pixels[window.top : window.bottom, window.left : window.right]
        part[...] = np.moveaxis(pixels, 0, -1)

    def finish(self, path: Path) -> None:
        if self._indexed:
            save_picture(path, self._pixels[..., 0], self._palette)
        else:
            save_picture(path, self._pixels)


class _ArrayFile:
    """Probabilities as `.npy`, (H, W, K) float32."""

    suffix = ".npy"

    def __init__(self, scene: Scene, look: Look, staging: Path):
        self._path = staging / f"{scene.name}_probabilities.parts"
        shape = (scene.height, scene.width, len(look.classes))
        self._array = np.lib.format.open_memmap(self._path, "w+", np.float32, shape)
        if hasattr(os, "posix_fallocate"):
            # A full disk is an error now, and not a signal when the pages are written.
            with self._path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, self._path.stat().st_size)

    def write(self, window: Window, pixels: np.ndarray) -> None:
        part = self._array[window.top : window.bottom, window.left : window.right]
        part[...] = np.moveaxis(pixels, 0, -1)

    def finish(self, path: Path) -> None:
        self._array.flush()
        del self._array
        self._path.rename(path)


class _RasterFile:
    """First plain, since only what is not compressed can be written in any parts; then as Cloud Optimized GeoTIFF."""

    suffix = ".tif"

    def __init__(self, scene: Scene, product: str, look: Look, staging: Path):
        import rasterio

        self._name = f"{scene.name}_{product}{self.suffix}"
        self._path = staging / f"{scene.name}_{product}.parts.tif"
        self._scene, self._packing = scene, _PACKINGS[product]
        made = PRODUCTS[product]
        place: dict[str, Any] = {}
        if scene.place is not None:
            known = {"transform": scene.place.transform, "gcps": scene.place.points, "rpcs": scene.place.rational}
            place = {"crs": scene.place.crs, **{name: each for name, each in known.items() if each}}
        with _writing(self._name):
            self._raster = rasterio.open(
                self._path,
                "w",
                driver="GTiff",
                height=scene.height,
                width=scene.width,
                count=made.bands(look),
                dtype=made.dtype,
                nodata=made.nodata,
                bigtiff="IF_SAFER",
                interleave="band",
                tiled=True,
                blockxsize=_PART,
                blockysize=_PART,
                **({"photometric": "RGB", "alpha": "YES"} if made.nodata is None else {}),
                **place,
            )
        if product == "ids":
            entries = {number: (*colour, 255) for number, colour in enumerate(look.colours)}
            self._raster.write_colormap(1, {**entries, IGNORE: (0, 0, 0, 0)})
            self._raster.update_tags(**{f"class_{number}": name for number, name in enumerate(look.classes)})
        elif product == "probabilities":
            for number, name in enumerate(look.classes):
                self._raster.set_band_description(number + 1, name)

    def write(self, window: Window, pixels: np.ndarray) -> None:
        from segsweep.predict.raster_scene import raster_window

        with _writing(self._name):
            self._raster.write(pixels, window=raster_window(window))

    def finish(self, path: Path) -> None:
        import rasterio
        from rasterio.shutil import copy

        with _writing(self._name):
            self._raster.close()
            # The driver would pack overviews that it makes, and unpack and pack them again.
            if factors := _overview_factors(self._scene):
                with rasterio.open(self._path, "r+") as raster:
                    raster.build_overviews(factors, rasterio.enums.Resampling[self._packing.overviews])
            copy(
                self._path,
                path,
                driver="COG",
                blocksize=_BLOCK,
                overviews="FORCE_USE_EXISTING",
                bigtiff="IF_SAFER",
                num_threads="ALL_CPUS",
                **self._packing.options,
            )
        self._path.unlink()


def _overview_factors(scene: Scene) -> list[int]:
    """How many times smaller each overview is; the last is as large as a block at most."""
    larger = math.ceil(max(scene.height, scene.width) / _BLOCK) - 1
    return [2**power for power in range(1, larger.bit_length() + 1)]


@contextmanager
def _writing(name: str) -> Iterator[None]:
    """What GDAL cannot write is no fault of what is read."""
    from rasterio._err import CPLE_BaseError  # what copying raises is in no public place
    from rasterio.errors import RasterioError

    try:
        yield
    except (RasterioError, CPLE_BaseError) as error:
        reason = (str(error.__cause__ or error).strip().splitlines() or ["no reason given"])[0]
        raise SegsweepError(f"{name}: cannot be written ({reason}); is the disk full?") from error
