"""What an opened raster declares to be no data, by a value, a mask or an alpha band: for training and `predict`."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from segsweep.data.no_data import equal_to


@dataclass(frozen=True)
class Declared:
    """What the head of a raster says of pixels without data."""

    values: tuple[float | None, ...]
    """By band, the value that is no data; None where the file names none."""
    has_mask: bool
    """Whether the file, or a `.msk` file beside it, has a mask."""
    alpha: int | None
    """Index of the band that is tagged as alpha."""

    @property
    def is_anything(self) -> bool:
        """Whether a pixel may be declared invalid."""
        return self.has_mask or self.alpha is not None or any(value is not None for value in self.values)


def declared(raster: Any) -> Declared:
    """What an opened rasterio dataset declares; only its head is read."""
    from rasterio.enums import ColorInterp, MaskFlags

    flags = {flag for band in raster.mask_flag_enums for flag in band}
    alpha = None
    if MaskFlags.all_valid in flags and len(flags) == 1:
        # An alpha band would have been a mask of the other bands.
        return Declared((None,) * raster.count, has_mask=False, alpha=None)
    for band, meaning in enumerate(raster.colorinterp):
        if meaning == ColorInterp.alpha:
            alpha = band
    return Declared(
        tuple(raster.nodatavals),
        has_mask=MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags,
        alpha=alpha,
    )


def invalid_values(
    raster: Any,
    says: Declared,
    pixels: np.ndarray,
    *,
    value: float | None = None,
    alpha_is_mask: bool = False,
    channels: tuple[int, ...] | None = None,
    window: Any = None,
) -> np.ndarray | None:
    """Which values of the pixels are no data, NaN apart: (C, h, w) bool; None where all are data.

    Args:
        raster: the opened rasterio dataset.
        says: what it declares.
        pixels: (C, h, w) as stored.
        value: no data in bands for which the file names no value.
        alpha_is_mask: whether 0 in the alpha band makes a pixel invalid.
        channels: indices of the bands that `pixels` holds; None: all.
        window: rasterio's window of the pixels; None: all of the raster.
    """
    if not says.is_anything and value is None:
        return None
    found: np.ndarray | None = None
    bands = range(raster.count) if channels is None else channels
    values = [value if says.values[band] is None else says.values[band] for band in bands]
    if len(set(values)) == 1:
        found = equal_to(pixels, values[0])
    else:
        each = [equal_to(band, own) for band, own in zip(pixels, values, strict=True)]
        found = np.stack([np.zeros(pixels.shape[1:], bool) if one is None else one for one in each])
    hidden = None
    if says.has_mask:
        hidden = raster.read_masks(1, window=window) == 0
    if alpha_is_mask and says.alpha is not None:
        known = channels is None or says.alpha in channels
        place = says.alpha if channels is None else channels.index(says.alpha) if known else 0
        alpha = pixels[place] if known else raster.read(says.alpha + 1, window=window)
        hidden = alpha == 0 if hidden is None else hidden | (alpha == 0)
    if hidden is not None and hidden.any():
        found = np.broadcast_to(hidden, pixels.shape) if found is None else found | hidden
    return found if found is not None and found.any() else None


def is_mask(alpha: np.ndarray) -> bool:
    """Whether values of an alpha band are those of a mask: nothing but 0, and 255 or the largest of 16 bits."""
    opaque = (255,) if alpha.dtype != np.uint16 else (255, 65535)
    return any(bool(((alpha == 0) | (alpha == value)).all()) for value in opaque)
