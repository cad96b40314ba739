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

import numpy as np
from PIL import Image, UnidentifiedImageError

from segsweep.config.keys import versions
from segsweep.data.fitting import Fit, fit_image, fit_picture
from segsweep.data.no_data import NoDataRule, equal_to, marked
from segsweep.data.raster_no_data import declared, invalid_values
from segsweep.errors import DataError

RASTERS = (".tif", ".tiff")
_MODES = {"1": "L", "L": "L", "I;16": "I;16", "I;16B": "I;16", "I": "I;16", "F": "F"}
"""From how Pillow calls a file's pixels to how they are read; all others are colours."""
_BANDS = {"L": 1, "I;16": 1, "F": 1, "RGB": 3, "RGBA": 4}
_TYPES = {"L": "uint8", "I;16": "uint16", "F": "float32", "RGB": "uint8", "RGBA": "uint8"}

_FORMATS = ("PNG", "JPEG", "BMP", "TIFF")
"""Of pictures that may come from anybody; Pillow knows some that start programs."""

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
    """Pillow's mode; None for rasters."""


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
            return ImageKind(raster.count, types[0], None)
    with opened(path) as image:
        return picture_kind(image, bands)


def picture_kind(image: Image.Image, bands: int | None = None) -> ImageKind:
    """As `kind_of`, of a picture."""
    mode = _MODES.get(image.mode, "RGBA" if image.mode == "RGBA" and bands == 4 else "RGB")
    return ImageKind(_BANDS[mode], _TYPES[mode], mode)


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
        _require_alike(path, array, kind)
    else:
        stored = _read_picture(path, kind, AS_IT_IS)
        _require_alike(path, stored, kind)
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


def _require_alike(path: Path, array: np.ndarray, kind: ImageKind) -> None:
    """Refuse an image (H, W, C) of another kind."""
    if array.shape[2] != kind.bands or array.dtype != kind.dtype:
        raise DataError(
            f"{path}: {array.shape[2]} bands of {array.dtype} where the first image has {kind.bands} of {kind.dtype}"
        )


def _read_picture(path: Path, kind: ImageKind, fit: Fit) -> np.ndarray:
    with opened(path) as image:
        if kind.mode in ("RGB", "RGBA", "L") and _TYPES[_MODES.get(image.mode, "RGB")] != "uint8":
            raise DataError(f"{path}: pixels of more than 8 bits where the first image has 8")
        converted = image if image.mode == kind.mode else image.convert(kind.mode)
        if kind.dtype == "uint8":
            # Before it becomes an array, which would have to be copied into a picture again.
            return fit_picture(converted, fit)
        array = np.asarray(converted)
    return fit_image(array[..., None], fit)


def _read_raster(path: Path, kind: ImageKind, fit: Fit, rule: NoDataRule) -> np.ndarray:
    with opened_raster(path) as raster:
        pixels = raster.read()
        says = declared(raster)
        invalid = invalid_values(raster, says, pixels, value=rule.value, alpha_is_mask=rule.alpha_is_mask)
    stored = np.ascontiguousarray(np.moveaxis(pixels, 0, -1))
    _require_alike(path, stored, kind)
    image = stored if invalid is None else marked(stored, np.moveaxis(invalid, 0, -1))
    return fit_image(image, fit, rounded=stored.dtype.kind in "iu")


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


@contextmanager
def opened_raster(path: Path) -> Iterator["rasterio.DatasetReader"]:  # type: ignore[name-defined]  # noqa: F821
    """A TIFF; what fails within is a DataError that names the file."""
    rasterio = _rasterio(path)
    try:
        with rasterio.open(path) as raster:
            yield raster
    except rasterio.errors.RasterioError as error:
        if not path.is_file():
            raise DataError(f"{path}: no such file") from error
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
        raise DataError(f"{path}: TIFF files need rasterio; pip install 'segsweep[geo]'") from error
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
