"""Turning images upright: cameras store photographs as the sensor lies, and EXIF says how to turn them.

CIPA DC-008 (EXIF 2.32), tag 274 `Orientation`; TIFF 6.0 has the same tag. Values other than 1 to 8 count as 1, as in
`PIL.ImageOps.exif_transpose`.
"""

import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image

from segsweep.errors import DataError

AS_STORED = 1
"""The orientation of an image that is not turned."""
_TAG = int(ExifTags.Base.Orientation)
_METHODS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""From an orientation to how Pillow turns the stored image."""
_STEPS = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}
"""The same for an array: whether rows and columns are exchanged first, then rows reversed, then columns."""
_LATE = (b"eXIf", b"XML:com.adobe.xmp", b"Raw profile type exif")
"""What holds an orientation in a PNG. ExifTool writes it behind the pixels, where Pillow finds it after decoding."""
_EXIF = ("exif", "XML:com.adobe.xmp", "xmp", "Raw profile type exif")
"""The same, as Pillow calls it in `Image.info`."""
_SHORT = 3
"""A TIFF tag's type of 16-bit numbers."""
_MOST_TAGS = 4096
"""Tags that are looked at; a damaged file may say to have any number."""


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation (1 to 8) of an opened picture; 1 where it has none, or a damaged one.

    A TIFF is 1 always: Pillow turns it upright itself. A PNG that is not decoded yet is decoded if its EXIF may stand
    behind the pixels.

    Raises:
        OSError: such a PNG is truncated.
    """
    if image.format == "TIFF":
        return AS_STORED
    if image.format == "PNG" and getattr(image, "tile", None) and not _says(image) and _may_say(image):
        image.load()
    if not _says(image):
        return AS_STORED
    try:
        value = image.getexif().get(_TAG, AS_STORED)
        return value if value in _METHODS else AS_STORED
    except Exception:
        # Cameras and editors write damaged EXIF, on which Pillow raises nearly anything; the pixels are good.
        return AS_STORED


def _says(image: Image.Image) -> bool:
    return not image.info.keys().isdisjoint(_EXIF)


def _may_say(image: Image.Image) -> bool:
    name = getattr(image, "filename", "")
    if not name:
        return True
    content = Path(name).read_bytes()
    return any(word in content for word in _LATE)


def upright(image: Image.Image) -> Image.Image:
    """The picture, decoded and turned as its EXIF says; itself where there is nothing to turn."""
    # Decoded first: then all that a PNG says is known.
    image.load()
    method = _METHODS.get(orientation_of(image))
    return image if method is None else image.transpose(method)


def turned(array: np.ndarray, orientation: int) -> np.ndarray:
    """A stored array (H, W, ...) turned upright; a view. Orientations 5 to 8 exchange height and width."""
    exchanged, rows, columns = _STEPS[orientation]
    array = array.swapaxes(0, 1) if exchanged else array
    return array[:: -1 if rows else 1, :: -1 if columns else 1]


def stored(array: np.ndarray, orientation: int) -> np.ndarray:
    """An upright array (H, W, ...) as it is stored, the inverse of `turned`; a view."""
    exchanged, rows, columns = _STEPS[orientation]
    array = array[:: -1 if rows else 1, :: -1 if columns else 1]
    return array.swapaxes(0, 1) if exchanged else array


def stored_box(box: tuple[int, int, int, int], shape: tuple[int, int], orientation: int) -> tuple[int, int, int, int]:
    """Where a part of the upright image lies in the stored one.

    Args:
        box: top, bottom, left and right of the part, in pixels of the upright image.
        shape: height and width of the upright image.
        orientation: of the file.

    Returns:
        top, bottom, left and right in the stored image.
    """
    exchanged, rows, columns = _STEPS[orientation]
    top, bottom, left, right = box
    if rows:
        top, bottom = shape[0] - bottom, shape[0] - top
    if columns:
        left, right = shape[1] - right, shape[1] - left
    return (left, right, top, bottom) if exchanged else (top, bottom, left, right)


def exchanges_sides(orientation: int) -> bool:
    """Whether the upright image is as high as the stored one is wide."""
    return _STEPS[orientation][0]


def tiff_orientation(path: Path) -> int:
    """The orientation tag (1 to 8) of the first image in a TIFF or BigTIFF; 1 where there is none.

    GDAL reads TIFF files as they are stored and does not tell the tag. A file that is no TIFF gives 1.
    """
    try:
        with path.open("rb") as file:
            return tag_of_tiff(file)
    except OSError:
        return AS_STORED


def tag_of_tiff(file: BinaryIO) -> int:
    """As `tiff_orientation`, of an opened file."""
    try:
        value = _first_tag(file)
    except (struct.error, KeyError):
        return AS_STORED
    return value if value in _METHODS else AS_STORED


def _first_tag(file: BinaryIO) -> int:
    order = {b"II": "<", b"MM": ">"}[file.read(2)]
    (version,) = struct.unpack(f"{order}H", file.read(2))
    # BigTIFF: counts and offsets of 8 bytes, and the first one behind 4 more bytes.
    skipped, count_type, offset_type = {42: ("", "H", "I"), 43: ("4x", "Q", "Q")}[version]
    (start,) = _unpacked(file, f"{order}{skipped}{offset_type}")
    file.seek(start)
    (count,) = _unpacked(file, f"{order}{count_type}")
    entry = struct.Struct(f"{order}HH{offset_type}H")
    length = entry.size - 2 + struct.calcsize(f"{order}{offset_type}")
    for _ in range(min(count, _MOST_TAGS)):
        tag, kind, _, value = entry.unpack(file.read(length)[: entry.size])
        if tag == _TAG:
            return int(value) if kind == _SHORT else AS_STORED
    return AS_STORED


def _unpacked(file: BinaryIO, form: str) -> tuple[int, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))


def raster_orientation(path: Path, raster: Any, content: BinaryIO | None = None) -> int:
    """How to turn what rasterio reads of a TIFF.

    Args:
        path: of the file.
        raster: the same, opened by rasterio.
        content: the file, where it is in memory only.

    Raises:
        DataError: it is georeferenced too, which GIS programs relate to the pixels as they are stored.
    """
    orientation = tiff_orientation(path) if content is None else tag_of_tiff(content)
    if orientation == AS_STORED:
        return AS_STORED
    if raster.crs is not None or not raster.transform.is_identity or raster.gcps[0] or raster.rpcs is not None:
        raise DataError(
            f"{path}: its orientation tag ({orientation}) says to turn it, and its georeference is of the pixels as "
            f"they are stored; rewrite it without the tag: rio convert {path} NEW.tif"
        )
    return orientation


def file_orientation(path: Path) -> int:
    """The orientation that a picture or a TIFF was read with; its pixels are not decoded, unless a PNG says it late.

    Raises:
        OSError: the file cannot be read.
    """
    if path.suffix.lower() in (".tif", ".tiff"):
        return tiff_orientation(path)
    with Image.open(path) as image:
        return orientation_of(image)


def turned_remark(turned: int, of: int, what: str = "images") -> list[str]:
    """Says how many files were turned upright; nothing where none was."""
    were = "was" if of == 1 else "were"
    what = what.removesuffix("s") if of == 1 else what
    return [f"{turned} of {of} {what} {were} turned upright, as the orientation in the file says"] * bool(turned)


def why_other_size(image: int, mask: int) -> str:
    """Ends the message that an image and its mask differ in size, where their orientations may be the reason."""
    if exchanges_sides(image) == exchanges_sides(mask):
        return ""
    turned_file, orientation = ("image", image) if exchanges_sides(image) else ("mask", mask)
    return (
        f", and they are those of the {turned_file} turned upright, as its orientation ({orientation}) says; remove "
        "the orientation if the mask was drawn on the stored image, or turn the mask too"
    )
