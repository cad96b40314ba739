"""Reading one image file: PNG, JPEG and BMP by Pillow; TIFF and GeoTIFF, of any bands and type, by rasterio."""

import hashlib
import io
import logging
import struct
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from segsweep.config.keys import versions
from segsweep.data.declared_scale import declared_scale
from segsweep.data.fitting import Fit, fit_image, fit_picture
from segsweep.data.no_data import NoDataRule, equal_to, marked
from segsweep.data.orientation import orientation_of, raster_orientation, turned, upright
from segsweep.data.raster_no_data import declared, invalid_values
from segsweep.data.raster_pages import pages_of, stacked
from segsweep.errors import DataError

RASTERS = (".tif", ".tiff")
_MODES = {"1": "L", "L": "L", "I;16": "I;16", "I;16B": "I;16", "I": "I;16", "F": "F"}
"""From how Pillow calls a file's pixels to how they are read; all others are colours."""
_DEEP = {"RGB;16B": (1, 2, 3), "RGBA;16B": (1, 2, 3, 4), "LA;16B": (1,)}
"""PNG files of which Pillow would give the high bytes alone, as it calls how they are stored: the bands to read by
rasterio. Transparency is read where 4 bands are asked for."""
_BANDS = {"L": 1, "I;16": 1, "F": 1, "RGB": 3, "RGBA": 4, **{mode: len(bands) for mode, bands in _DEEP.items()}}
_TYPES = {
    **{"L": "uint8", "I;16": "uint16", "F": "float32", "RGB": "uint8", "RGBA": "uint8"},
    **dict.fromkeys(_DEEP, "uint16"),
}
COLOURS = ("RGB", "RGB;16B")
"""Modes of images whose bands are red, green and blue."""

_FORMATS = ("PNG", "JPEG", "BMP", "TIFF")
"""Of pictures that may come from anybody; Pillow knows some that start programs."""
_ONE_OF_MANY = ("MPO", "TIFF")
"""Formats in which further images are no further frames."""
_WHITE = 255
_HIGHEST = 2**16 - 1
"""The largest value that is kept of a picture's 32-bit integers."""

# Plugins are registered once, before threads open files. The warning is said below, as an error.
Image.preinit()
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


@dataclass(frozen=True)
class ImageKind:
    """What all images of a data set are read as."""

    bands: int
    """As in the files."""
    dtype: str
    mode: str | None
    """Pillow's mode, or how a PNG of 16 bits a colour is stored (`RGB;16B`); None for rasters."""

    @property
    def is_deep(self) -> bool:
        """Whether images are PNG files of 16 bits a colour, which `read_deep` reads."""
        return self.mode in _DEEP


def kind_of(path: Path, bands: int | None = None) -> ImageKind:
    """How to read a data set of which this is the first image.

    Args:
        path: of the image.
        bands: how many there are to be, if that is known; 4 keeps the fourth band of a PNG, which else is taken for
            transparency.
    """
    if path.suffix.lower() in RASTERS:
        with opened_raster(path) as raster:
            types = sorted(set(raster.dtypes))
            if len(types) > 1:
                raise DataError(f"{path}: bands of the types {', '.join(types)}; all need one type")
            return ImageKind(raster.count, "float32" if declared_scale(raster) else _real(path, types[0]), None)
    with opened(path) as image:
        return picture_kind(image, bands)


def picture_kind(image: Image.Image, bands: int | None = None) -> ImageKind:
    """As `kind_of`, of a picture that was opened and is not decoded yet."""
    mode = _MODES.get(image.mode, "RGBA" if image.mode == "RGBA" and bands == 4 else "RGB")
    deep = stored_mode(image)
    if deep in _DEEP:
        mode = "RGB;16B" if deep == "RGBA;16B" and bands != 4 else deep
    return ImageKind(_BANDS[mode], _TYPES[mode], mode)


def stored_mode(image: Image.Image) -> str:
    """How the file of an opened picture, not decoded yet, holds a pixel, as Pillow calls it; empty where unknown."""
    tiles = getattr(image, "tile", None)
    return tiles[0].args if image.format == "PNG" and tiles and isinstance(tiles[0].args, str) else ""


def _real(path: Path, dtype: str) -> str:
    if dtype.startswith("complex"):
        raise DataError(f"{path}: complex numbers ({dtype}); save real ones, such as amplitude or intensity")
    return dtype


RGB = ImageKind(3, "uint8", "RGB")


AS_IT_IS = Fit(None, "resize")
NO_RULE = NoDataRule()


def read_image(path: Path, kind: ImageKind, fit: Fit = AS_IT_IS, rule: NoDataRule = NO_RULE) -> np.ndarray:
    """The image (H, W, C), brought to the size of `fit`; floating, and NaN where it has values that are no data.

    Args:
        path: of the file.
        kind: of all images of the data set.
        fit: what size it is brought to.
        rule: what is no data, besides NaN and what the file declares.

    Raises:
        DataError: it cannot be read, or is of another kind.
    """
    if path.suffix.lower() in RASTERS:
        array = _read_raster(path, kind, fit, rule)
    elif rule.value is None:
        array = _read_picture(path, kind, fit)
        _require_kind(path, array, kind)
    else:
        stored = _read_picture(path, kind, AS_IT_IS)
        _require_kind(path, stored, kind)
        invalid = equal_to(stored, rule.value)
        array = fit_image(marked(stored, invalid), fit, rounded=stored.dtype.kind in "iu")
    if array.dtype.kind == "f" and not (np.abs(array) <= np.finfo(np.float32).max).all():
        missing = np.isnan(array)
        wrong = int((~(np.abs(array) <= np.finfo(np.float32).max) & ~missing).sum())
        if wrong:
            raise DataError(
                f"{path}: {wrong} infinite values (or beyond 32-bit floats); fill them, or give them as data.nodata"
            )
        array = marked(array, missing)
    return array


def _require_kind(path: Path, array: np.ndarray, kind: ImageKind) -> None:
    """Refuse an image (H, W, C) of another kind."""
    if array.shape[2] != kind.bands or array.dtype != kind.dtype:
        raise DataError(
            f"{path}: {array.shape[2]} bands of {array.dtype} where the first image has {kind.bands} of {kind.dtype}"
        )


def _read_picture(path: Path, kind: ImageKind, fit: Fit) -> np.ndarray:
    with opened(path) as image:
        _require_nothing_lost(path, image, kind)
        if kind.is_deep:
            return fit_image(read_deep(path, image, kind), fit)
        standing = upright(image)
        converted = standing if standing.mode == kind.mode else standing.convert(kind.mode)
        if kind.dtype == "uint8":
            # Before it becomes an array, which would have to be copied into a picture again.
            return fit_picture(converted, fit)
        array = np.asarray(converted)
    return fit_image(array[..., None], fit)


def read_deep(path: Path, image: Image.Image, kind: ImageKind, content: bytes | None = None) -> np.ndarray:
    """The pixels (H, W, C) uint16 of a PNG with 16 bits a colour, upright.

    Args:
        path: of the file.
        image: the same, opened by Pillow.
        kind: one that `is_deep`.
        content: what would be in the file, where it is in memory only.

    Raises:
        DataError: it cannot be read, or rasterio is not installed.
    """
    assert kind.mode is not None
    with opened_raster(path) if content is None else _png_in_memory(path, content) as raster:
        pixels = np.moveaxis(raster.read(_DEEP[kind.mode]), 0, -1)
    return np.ascontiguousarray(turned(pixels, orientation_of(image)))


def _require_nothing_lost(path: Path, image: Image.Image, kind: ImageKind) -> None:
    """Refuse a picture of which something would be lost where it is read as `kind`."""
    own = picture_kind(image, kind.bands)
    if own.dtype != kind.dtype:
        bits = {"uint8": "8 bits"}
        raise DataError(
            f"{path}: pixels of {bits.get(own.dtype, 'more than 8 bits')} ({own.dtype}) where the first image has "
            f"{bits.get(kind.dtype, 'more')} ({kind.dtype}); save all images alike"
        )
    if kind.mode == "RGBA" and own.mode != "RGBA":
        raise DataError(f"{path}: {own.bands} bands where the first image has 4; save all images alike")
    if kind.mode == "L" and own.bands > 1 and _has_colours(image):
        raise DataError(
            f"{path}: colours where the first image is grey, and colours would be lost; save all as RGB, or all as grey"
        )
    if image.mode == "I" and kind.mode == "I;16":
        low, high = image.getextrema()
        if low < 0 or high > _HIGHEST:  # type: ignore[operator]
            raise DataError(f"{path}: values from {low} to {high}, where {_HIGHEST} is the largest; save it as TIFF")


def _has_colours(image: Image.Image) -> bool:
    red, green, blue = image.convert("RGB").split()
    return not red.tobytes() == green.tobytes() == blue.tobytes()


def _read_raster(path: Path, kind: ImageKind, fit: Fit, rule: NoDataRule) -> np.ndarray:
    with opened_raster(path) as raster:
        values, scale, says = raster.read(), declared_scale(raster), declared(raster)
        # A nodata value is one of the numbers that are stored, before any scale.
        invalid = invalid_values(raster, says, values, value=rule.value, alpha_is_mask=rule.alpha_is_mask)
        orientation = raster_orientation(path, raster)
    meant = np.moveaxis(values if scale is None else scale.apply(values), 0, -1)
    _require_kind(path, meant, kind)
    known = meant if invalid is None else marked(meant, np.moveaxis(invalid, 0, -1))
    standing = np.ascontiguousarray(turned(known, orientation))
    return fit_image(standing, fit, rounded=meant.dtype.kind in "iu")


@contextmanager
def opened(path: Path, content: bytes | None = None) -> Iterator[Image.Image]:
    """A picture, of which nothing but the size is read yet; what fails within is a DataError that names the file.

    `content` is what would be in the file, where it is in memory only; it may come from anybody.
    """
    try:
        source, formats = (path, None) if content is None else (io.BytesIO(content), _FORMATS)
        with Image.open(source, formats=formats) as image:
            if Image.MAX_IMAGE_PIXELS is not None and image.width * image.height > Image.MAX_IMAGE_PIXELS:
                raise Image.DecompressionBombError
            _require_whole(path, image)
            yield image
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        raise DataError(
            f"{path}: more than {Image.MAX_IMAGE_PIXELS} pixels, which may be an attack on memory; "
            "cut it into smaller files, or save it as TIFF"
        ) from error
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except UnidentifiedImageError as error:
        raise DataError(f"{path}: is no image that can be read; PNG, JPEG, BMP and TIFF can") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise DataError(f"{path}: cannot be read ({_first_line(error)}); it may be truncated") from error


def _require_whole(path: Path, image: Image.Image) -> None:
    """Refuse a picture of which Pillow would give a part without a word."""
    # The further images of an MPO are other views of the same, as cameras and drones write them; the pages of a TIFF
    # may be smaller copies.
    frames = 1 if image.format in _ONE_OF_MANY else getattr(image, "n_frames", 1)
    if frames > 1:
        raise DataError(f"{path}: is animated, and of its {frames} images only one could be read; save that as PNG")
    for tile in getattr(image, "tile", ()):
        # PPM, of which the second argument is the largest value, and SGI.
        deepest = tile.args[1] if tile.codec_name in ("ppm", "ppm_plain") else 0
        if tile.codec_name == "SGI16" or (deepest > _WHITE and image.mode == "RGB"):
            raise DataError(f"{path}: colours of 16 bits, of which 8 would be lost; save it as PNG or TIFF")


@contextmanager
def opened_raster(path: Path) -> Iterator["rasterio.DatasetReader"]:  # type: ignore[name-defined]  # noqa: F821
    """A TIFF, its pages stacked to bands; what fails within is a DataError that names the file."""
    rasterio = _rasterio(path)
    try:
        with rasterio.open(path) as raster:
            pages = pages_of(raster)
            if not pages:
                yield raster
        if pages:
            with stacked(path, pages) as raster:
                yield raster
    except rasterio.errors.RasterioError as error:
        if not path.is_file():
            raise DataError(f"{path}: no such file") from error
        raise DataError(f"{path}: cannot be read ({_first_line(error)}); it may be truncated") from error


@contextmanager
def _png_in_memory(path: Path, content: bytes) -> Iterator[Any]:
    rasterio = _rasterio(path)
    try:
        with rasterio.MemoryFile(content) as memory, memory.open(driver="PNG") as raster:
            yield raster
    except rasterio.errors.RasterioError as error:
        raise DataError(f"{path}: cannot be read ({_first_line(error)}); it may be truncated") from error


def writing_raster(path: Path, pixels: np.ndarray) -> "rasterio.DatasetWriter":  # type: ignore[name-defined]  # noqa: F821
    """A new TIFF for an image (H, W, C) or a mask (H, W), to be written and closed."""
    bands = 1 if pixels.ndim == 2 else pixels.shape[2]
    height, width = pixels.shape[:2]
    shape = {"height": height, "width": width, "count": bands}
    return _rasterio(path).open(path, "w", driver="GTiff", dtype=pixels.dtype, compress="deflate", **shape)


def _rasterio(path: Path) -> ModuleType:
    try:
        import rasterio
        import rasterio.errors
    except ImportError as error:
        what = "TIFF files" if path.suffix.lower() in RASTERS else "PNG files of 16 bits a colour"
        raise DataError(f"{path}: {what} need rasterio; pip install 'segsweep[geo]'") from error
    # What goes wrong is raised too; and images need not lie anywhere on Earth.
    logging.getLogger("rasterio").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", category=rasterio.errors.NotGeoreferencedWarning)
    return rasterio


def decoders(paths: Iterable[Path]) -> dict[str, str]:
    """Versions of the libraries that read these files."""
    raster = min((path for path in paths if path.suffix.lower() in RASTERS), default=None)
    if raster is None:
        return versions("pillow")
    rasterio = _rasterio(raster)
    return {**versions("pillow"), "rasterio": rasterio.__version__, "gdal": rasterio.__gdal_version__}


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def file_digest(path: Path) -> bytes:
    """Sha256 of the file's bytes."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
