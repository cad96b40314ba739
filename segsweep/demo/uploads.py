"""From the bytes of an uploaded file to a scene in memory. Nothing of it is written anywhere."""

import importlib.util
import io
import math
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath
from typing import IO, Any

import numpy as np

from segsweep.data.declared_scale import DeclaredScale, declared_scale
from segsweep.data.image_files import opened, picture_kind, read_deep
from segsweep.data.orientation import raster_orientation, turned, upright
from segsweep.data.raster_no_data import declared as declared_by
from segsweep.data.raster_no_data import invalid_values, is_mask
from segsweep.data.raster_pages import pages_of, stacked
from segsweep.demo.limits import MOST_NUMBERS, MOST_PIXELS
from segsweep.errors import DataError
from segsweep.predict.adapted_readers import scaled_scene
from segsweep.predict.picture_scene import ArrayReader
from segsweep.predict.request import ARRAYS, PICTURES, RASTERS
from segsweep.predict.scene import Scene

_IMAGES = "X"
"""The array of an archive that holds images, as in data sets."""
_TAKEN = (*PICTURES, ".tif", ".tiff", *ARRAYS)


def uploaded_scene(
    name: PurePath, content: bytes, bands: int, nodata: float | None = None, alpha_is_band: bool = False
) -> Scene:
    """The scene in a file.

    Args:
        name: of the file; its suffix says what it is.
        content: the file's bytes, which may come from anybody.
        bands: how many the model takes; where that is 4, a fourth one is not taken for transparency.
        nodata: value that is no data, where the file does not say it.
        alpha_is_band: whether the alpha band of a TIFF is no mask.

    Raises:
        DataError: it is no image, is damaged, or too large.
    """
    suffix = name.suffix.lower()
    if suffix not in _READERS:
        raise DataError(f"{name}: not an image by its name; images end in {', '.join(_TAKEN)}")
    if not content:
        raise DataError(f"{name}: is empty")
    found = _READERS[suffix](name, content, bands)
    image, names = found.image, found.names
    declared = found.declared
    if found.hidden is not None and not alpha_is_band:
        declared = found.hidden if declared is None else declared | found.hidden
    if image.dtype.kind not in "uif":
        raise DataError(f"{name}: its pixels are {image.dtype}; images are of numbers")

    @contextmanager
    def reading() -> Iterator[ArrayReader]:
        yield ArrayReader(image, None if found.says_nodata else nodata, declared)

    height, width, channels = image.shape
    scene = Scene(name, name.stem, height, width, channels, image.dtype.name, reading, names)  # type: ignore[arg-type]
    return scene if found.scale is None else scaled_scene(scene, found.scale)


@dataclass(frozen=True)
class _Read:
    """What a file holds, upright."""

    image: np.ndarray
    """(H, W, C), as stored."""
    names: tuple[str, ...] = ()
    """Of the bands; empty where they are not known."""
    says_nodata: bool = False
    """Whether the file names a value that is no data."""
    declared: np.ndarray | None = None
    """(H, W, C) bool: what is no data by that value or by a mask; None: nothing."""
    hidden: np.ndarray | None = None
    """The same by an alpha band that holds what a mask does."""
    scale: DeclaredScale | None = None
    """What the file declares to make its numbers those that are meant; None: they are."""


def _picture(name: PurePath, content: bytes, bands: int) -> _Read:
    with opened(name, content) as picture:  # type: ignore[arg-type]
        _require_size(name, picture.height, picture.width, len(picture.getbands()))
        kind = picture_kind(picture, bands)
        if kind.is_deep:
            return _Read(read_deep(name, picture, kind, content))  # type: ignore[arg-type]
        # A photograph says in its head how the camera was held.
        standing = upright(picture)
        pixels = standing if standing.mode == kind.mode else standing.convert(kind.mode)
        return _Read(np.atleast_3d(np.asarray(pixels)))


def _raster(name: PurePath, content: bytes, bands: int) -> _Read:
    if importlib.util.find_spec("rasterio") is None:
        try:
            return _picture(name, content, bands)
        except DataError as error:
            raise DataError(f"{error}; pip install 'segsweep[geo]' reads all TIFF files") from error
    import warnings

    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)
    try:
        # No other driver: some read what a file names, from elsewhere.
        with rasterio.MemoryFile(content) as memory, _opened_tiff(name, memory) as raster:
            types = sorted(set(raster.dtypes))
            if len(types) > 1:
                raise DataError(f"{name}: bands of the types {', '.join(types)}; all need one type")
            _require_size(name, raster.height, raster.width, raster.count)
            names = tuple(each for each in raster.descriptions if each)
            pixels, says = raster.read(), declared_by(raster)
            invalid = invalid_values(raster, says, pixels)
            hidden = None
            if says.alpha is not None and is_mask(pixels[says.alpha]):
                hidden = np.broadcast_to(pixels[says.alpha] == 0, pixels.shape)
            orientation = raster_orientation(name, raster, io.BytesIO(content))  # type: ignore[arg-type]

            def standing(bands_first: np.ndarray) -> np.ndarray:
                return turned(np.moveaxis(bands_first, 0, -1), orientation)

            return _Read(
                standing(pixels),
                names if len(names) == raster.count else (),
                says_nodata=raster.nodata is not None,
                declared=None if invalid is None else standing(invalid),
                hidden=None if hidden is None else standing(hidden),
                scale=declared_scale(raster),
            )
    except RasterioError as error:
        raise DataError(f"{name}: cannot be read as TIFF; it may be truncated") from error


@contextmanager
def _opened_tiff(name: PurePath, memory: Any) -> Iterator[Any]:
    with memory.open(driver="GTiff") as raster:
        pages = pages_of(raster)
        if not pages:
            yield raster
    if pages:
        with stacked(name, pages) as raster:  # type: ignore[arg-type]
            yield raster


def _array(name: PurePath, content: bytes, bands: int) -> _Read:
    return _damage_named(name, lambda: _first_image(name, io.BytesIO(content), len(content)))


def _archive(name: PurePath, content: bytes, bands: int) -> _Read:
    return _damage_named(name, lambda: _unpacked(name, content))


def _unpacked(name: PurePath, content: bytes) -> _Read:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        arrays = [each for each in archive.namelist() if each.endswith(".npy")]
        wanted = f"{_IMAGES}.npy" if len(arrays) != 1 else arrays[0]
        if wanted not in arrays:
            raise DataError(f"{name}: no array {_IMAGES}, which holds the images")
        with archive.open(wanted) as file:
            return _first_image(name, file, archive.getinfo(wanted).file_size)


def _first_image(name: PurePath, file: IO[bytes], size: int) -> _Read:
    """Of an array (H, W), (H, W, C) or (N, H, W, C); no more of the file is read than that."""
    version = np.lib.format.read_magic(file)
    heads = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, fortran, dtype = heads[version](file)
    if dtype.hasobject or len(shape) not in (2, 3, 4) or (len(shape) == 4 and fortran) or min(shape) < 1:
        raise DataError(f"{name}: an array {shape} of {dtype}; an image is (height, width, bands), of numbers")
    image = (*(shape[1:] if len(shape) == 4 else shape), 1)[:3]
    _require_size(name, *image)
    wanted = math.prod(image) * dtype.itemsize
    if wanted > size:
        raise DataError(f"{name}: is truncated: its array {shape} is larger than the file")
    data = file.read(wanted)
    array = np.frombuffer(data, dtype, math.prod(image)).astype(dtype.newbyteorder("="), copy=False)
    return _Read(array.reshape(image, order="F" if fortran else "C"))


def _damage_named(name: PurePath, read: Callable[[], _Read]) -> _Read:
    try:
        return read()
    except (DataError, MemoryError):
        raise
    except Exception as error:
        # Damaged archives and heads raise nearly anything.
        raise DataError(f"{name}: cannot be read as NumPy arrays; it may be truncated") from error


def _require_size(name: PurePath, height: int, width: int, bands: int) -> None:
    if height * width > MOST_PIXELS or height * width * bands > MOST_NUMBERS:
        raise DataError(
            f"{name}: {width} x {height} pixels of {bands} bands are too many for this page, which takes "
            f"{MOST_PIXELS / 1e6:.0f} million pixels; map it with segsweep predict"
        )


_READERS: dict[str, Callable[[PurePath, bytes, int], _Read]] = {
    **dict.fromkeys(PICTURES, _picture),
    **dict.fromkeys([suffix for suffix in RASTERS if suffix in _TAKEN], _raster),
    **dict.fromkeys(ARRAYS, lambda *given: _archive(*given) if given[0].suffix.lower() == ".npz" else _array(*given)),
}
"""By the suffix of the file's name."""
