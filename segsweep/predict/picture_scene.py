"""Scenes in pictures: PNG, JPEG and BMP, and plain TIFF where rasterio is not installed. They are read whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from segsweep.data.image_files import ImageKind, kind_of, opened, read_image
from segsweep.data.orientation import AS_STORED, exchanges_sides, orientation_of
from segsweep.errors import DataError
from segsweep.predict.request import RASTERS
from segsweep.predict.scene import Scene, Window, either, invalid_numbers

_GEOGRAPHIC_TAGS = (33550, 33922, 34264, 34735)
"""Of GeoTIFF: scale, tie points, transformation, keys."""
_GDAL_TAGS = (42112, 42113)
"""Metadata, which may hold a scale, and the value without data."""
_PHOTOMETRIC, _SUBFILE = 262, 254
"""Tags of TIFF 6.0: whether 0 is white; whether a page is a smaller copy or a mask."""
_TIFF_KINDS = {
    "L": ImageKind(1, "uint8", "L"),
    "I;16": ImageKind(1, "uint16", "I;16"),
    "F": ImageKind(1, "float32", "F"),
    "RGB": ImageKind(3, "uint8", "RGB"),
    "RGBA": ImageKind(4, "uint8", "RGBA"),
}
_REMEDY = "pip install 'segsweep[geo]' reads it"


@dataclass(frozen=True)
class ArrayReader:
    """An image that is in memory, or mapped into it."""

    image: np.ndarray = field(repr=False)
    """(H, W, C)."""
    nodata: float | None
    declared: np.ndarray | None = field(default=None, repr=False)
    """(H, W, C) bool: what its file declares to be no data otherwise than by NaN; None: nothing."""

    def read(self, window: Window, channels: tuple[int, ...]) -> np.ndarray:
        part = self.image[window.top : window.bottom, window.left : window.right, list(channels)]
        return np.ascontiguousarray(np.moveaxis(part, -1, 0))

    def invalid(self, pixels: np.ndarray, window: Window, channels: tuple[int, ...]) -> np.ndarray | None:
        found = invalid_numbers(pixels, self.nodata)
        if self.declared is None:
            return found
        part = self.declared[window.top : window.bottom, window.left : window.right, list(channels)]
        return either(found, np.moveaxis(part, -1, 0))


def picture_scene(path: Path, bands: int, nodata: float | None) -> Scene:
    """The scene in a picture.

    Args:
        path: of the picture.
        bands: how many the models take; where that is 4, a fourth one is not taken for transparency.
        nodata: what pixels without data have in all bands.

    Raises:
        DataError: it cannot be read.
    """
    kind = _kind_of_tiff(path) if path.suffix.lower() in RASTERS else kind_of(path, bands)
    with opened(path) as picture:
        orientation = orientation_of(picture)
        width, height = picture.size[::-1] if exchanges_sides(orientation) else picture.size

    @contextmanager
    def reading() -> Iterator[ArrayReader]:
        yield ArrayReader(_read(path, kind), nodata)

    return Scene(path, path.stem, height, width, kind.bands, kind.dtype, reading, turned=orientation != AS_STORED)


def _read(path: Path, kind: ImageKind) -> np.ndarray:
    if path.suffix.lower() not in RASTERS:
        return read_image(path, kind)
    with opened(path) as picture:
        return np.atleast_3d(np.asarray(picture))


def _kind_of_tiff(path: Path) -> ImageKind:
    """Raises DataError for one that Pillow does not read, or whose place on Earth would be lost."""
    try:
        with opened(path) as picture:
            mode, tags = picture.mode, set(dict(getattr(picture, "tag_v2", {})))
            white_is_zero = getattr(picture, "tag_v2", {}).get(_PHOTOMETRIC) == 0
            pages = _pages(picture)
    except DataError as error:
        raise DataError(f"{error}; if it is a TIFF of many bands, {_REMEDY}") from error
    if tags.intersection(_GEOGRAPHIC_TAGS):
        raise DataError(f"{path}: a GeoTIFF needs rasterio, or its place on Earth would be lost; {_REMEDY}")
    if pages > 1:
        raise DataError(f"{path}: a TIFF of {pages} pages, which are read as bands, needs rasterio; {_REMEDY}")
    if tags.intersection(_GDAL_TAGS) or white_is_zero:
        what = "where 0 is white" if white_is_zero else "that says by GDAL's tags what its numbers mean"
        raise DataError(f"{path}: a TIFF {what} needs rasterio; {_REMEDY}")
    if mode not in _TIFF_KINDS:
        raise DataError(f"{path}: a TIFF of this kind ({mode}) needs rasterio; {_REMEDY}")
    return _TIFF_KINDS[mode]


def _pages(picture: Image.Image) -> int:
    """How many pages of a TIFF are neither smaller copies of others nor masks."""
    pages = 0
    for number in range(getattr(picture, "n_frames", 1)):
        picture.seek(number)
        pages += not getattr(picture, "tag_v2", {}).get(_SUBFILE, 0) & 0b101
    picture.seek(0)
    return pages


def save_picture(path: Path, pixels: np.ndarray, palette: tuple[tuple[int, int, int], ...] | None = None) -> None:
    """Write (H, W) ids with the colours of a palette, or (H, W, 3) colours, as PNG."""
    picture = Image.fromarray(pixels)
    if palette is not None:
        picture = Image.frombuffer("P", picture.size, picture.tobytes(), "raw", "P", 0, 1)
        picture.putpalette([value for colour in palette for value in colour])
    picture.save(path, format="PNG")
