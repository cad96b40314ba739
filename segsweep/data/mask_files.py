"""Reading one mask file: ids, or colours as 0xRRGGBB."""

from pathlib import Path

import numpy as np

from segsweep.data.fitting import Fit, fit_labels, pad_to, scale_mask
from segsweep.data.image_files import AS_IT_IS, RASTERS, opened, opened_raster, stored_mode
from segsweep.data.labelling import NO_LABEL, Labelling
from segsweep.data.no_data import equal_to
from segsweep.data.orientation import raster_orientation, turned, upright
from segsweep.errors import DataError

_COLOURED = ("RGB", "RGBA", "CMYK", "YCbCr", "LA", "PA")
_DEEP = ("RGB;16B", "RGBA;16B", "LA;16B")
"""PNG files of which Pillow gives the high bytes alone, as it calls how they are stored."""
_SPREAD = {"L;2": 85, "L;4": 17}
"""Pillow spreads grey levels of 2 and 4 bits over 0 to 255; here they are ids."""
_JPEG = (".jpg", ".jpeg")
_NEAR = 48
"""How far apart colours may be, each of red, green and blue, that compression made of one another."""


NOTHING_KEPT = -1
"""In place of a nodata value that is the number of a class."""


def read_numbers(path: Path, labelling: Labelling, fit: Fit = AS_IT_IS) -> tuple[np.ndarray, int]:
    """As `read_values`, with `NO_LABEL` for pixels that a raster declares as nodata by a number that is no class's.

    Where it is the number of a class, as in rasters of which 0 is background and nodata too, pixels keep it; the number
    is given back beside them, else `NOTHING_KEPT` is.
    """
    if path.suffix.lower() not in RASTERS:
        return read_values(path, labelling.coloured, fit), NOTHING_KEPT
    values, nodata = _read_raster(path, labelling.coloured)
    if nodata is None:
        return _whole_numbers(path, values), NOTHING_KEPT
    gone = np.isnan(values) if np.isnan(nodata) else equal_to(values, nodata)
    if gone is None or not gone.any():
        return _whole_numbers(path, values), NOTHING_KEPT
    if nodata in {value for _, value in labelling.stored}:
        return _whole_numbers(path, values), int(nodata)
    return np.where(gone, NO_LABEL, _whole_numbers(path, np.where(gone, 0, values)).astype(np.int64)), NOTHING_KEPT


def read_values(path: Path, coloured: bool, fit: Fit = AS_IT_IS) -> np.ndarray:
    """The numbers (H, W) in a mask: ids as stored, or colours as int32; a picture is scaled for `fit`, a raster is not.

    Raises:
        DataError: it cannot be read, or holds colours where ids are needed.
    """
    if path.suffix.lower() in RASTERS:
        return _whole_numbers(path, _read_raster(path, coloured)[0])
    with opened(path) as stored:
        how = stored_mode(stored)
        if how in _DEEP:
            raise DataError(f"{path}: colours of 16 bits, of which 8 would be lost; save the mask with 8 bits a colour")
        image = scale_mask(upright(stored), fit)
        if coloured:
            return _colours(np.asarray(image.convert("RGB")))
        if image.mode == "1":
            return np.asarray(image).astype(np.uint8)
        if image.mode not in _COLOURED:
            return np.asarray(image) // _SPREAD.get(how, 1)
        bands = np.asarray(image.convert("RGB"))
        ids = bands[..., 0]
        if (bands != ids[..., None]).any():
            raise DataError(f"{path}: holds colours where ids are needed; give data.palette={{name: '#RRGGBB', ...}}")
        return ids


def _read_raster(path: Path, coloured: bool) -> tuple[np.ndarray, float | None]:
    """The numbers (H, W), and that of them which the file declares as nodata."""
    with opened_raster(path) as raster:
        if raster.count != (3 if coloured else 1):
            raise DataError(f"{path}: {raster.count} bands; a mask of {'colours has 3' if coloured else 'ids has 1'}")
        values, nodata = raster.read(), raster.nodata
        upright_bands = turned(np.moveaxis(values, 0, -1), raster_orientation(path, raster))
    if not coloured:
        return upright_bands[..., 0], nodata
    # A colour is nodata where all three bands are.
    is_colour = nodata is not None and 0 <= nodata <= 255 and nodata == int(nodata)
    return _colours(upright_bands), int(nodata) * 0x010101 if is_colour else None


def _whole_numbers(path: Path, values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "f":
        if (values != np.rint(values)).any() or (np.abs(values) > 2**31 - 1).any():
            raise DataError(f"{path}: holds fractions; ids are whole numbers")
        values = values.astype(np.int64)
    return values


def _colours(bands: np.ndarray) -> np.ndarray:
    """0xRRGGBB (H, W) int32 of (H, W, 3) uint8."""
    values = bands[..., 0].astype(np.int32)
    for band in (1, 2):
        values <<= 8
        values |= bands[..., band]
    return values


def read_labels(path: Path, labelling: Labelling, fit: Fit = AS_IT_IS) -> np.ndarray:
    """The labels (H, W) uint8, brought to the size of `fit`, of a mask that was checked before."""
    # Scaled first, which leaves less to look up.
    labels = labelling.apply(read_numbers(path, labelling, fit)[0])
    if path.suffix.lower() in RASTERS:
        return fit_labels(labels, fit)
    return labels if fit.size is None else pad_to(labels, fit.size)


def check_values(path: Path, values: np.ndarray, labelling: Labelling) -> None:
    """Refuse a mask that holds what means nothing.

    Raises:
        DataError: naming the file, the commonest such number, how many pixels hold it, and what would be right.
    """
    unknown = labelling.unknown(values)
    if not len(unknown):
        return
    found, pixels = np.unique(unknown, return_counts=True)
    worst = int(found[pixels.argmax()])
    what = "colour" if labelling.coloured else "id"
    others = f" (and {len(unknown) - int(pixels.max())} of {len(found) - 1} other {what}s)" if len(found) > 1 else ""
    hint = "; name it in data.classes, or set data.ignore_label"
    if labelling.coloured:
        blurred = path.suffix.lower() in _JPEG or (len(found) > 8 and _are_near(found, labelling))
        hint = (
            "; JPEG changes colours: save masks as PNG, or set data.palette_tolerance"
            if blurred
            else "; name it in data.palette"
        )
    raise DataError(
        f"{path}: {int(pixels.max())} pixels of the unknown {what} {labelling.describe(worst)}{others}; "
        f"{labelling.expected(worst)}{hint}"
    )


def _are_near(found: np.ndarray, labelling: Labelling) -> bool:
    """Whether most of these colours are nearly those of the palette."""
    known = np.array([value for _, value in labelling.stored])
    apart = [np.abs((found[:, None] >> shift & 255) - (known >> shift & 255)) for shift in (0, 8, 16)]
    return bool((np.max(apart, axis=0).min(axis=1) <= _NEAR).mean() > 0.5)
