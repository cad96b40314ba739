"""Values that are no data: what they are in arrays, and what is done with them.

Inside segsweep an invalid value is NaN in a floating image. It counts in no statistic, no loss and no score, and
becomes the mean of its band in the input of a model. Whole images of integers have no invalid value.
"""

from dataclasses import dataclass

import numpy as np

_ROUNDING = 4
"""Relative distance from a nodata value, in epsilons of the type, that still equals it; GDAL allows the same."""
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class NoDataRule:
    """What is no data, besides NaN and what a file declares itself."""

    value: float | None = None
    """`data.nodata`: a value that is no data in files that declare none; None: there is no such value."""
    alpha_is_mask: bool = False
    """Whether 0 in the alpha band of a raster marks pixels without data in all bands."""


def equal_to(values: np.ndarray, nodata: float | None) -> np.ndarray | None:
    """Which values equal `nodata` (bool, same shape); None where the type cannot hold it, or it is None or NaN.

    Floats equal it up to the rounding that GDAL allows: programs write the lowest float with too few digits.
    """
    if nodata is None or np.isnan(nodata):
        return None
    if not np.isfinite(nodata):
        return values == nodata if values.dtype.kind == "f" else None
    if values.dtype.kind != "f":
        limits = np.iinfo(values.dtype) if values.dtype.kind in "iu" else None
        if limits is None or nodata != int(nodata) or not limits.min <= nodata <= limits.max:
            return None
        return values == int(nodata)
    limit = np.finfo(values.dtype)
    apart = _ROUNDING * float(limit.eps) * abs(nodata)
    low, high = max(nodata - apart, float(limit.min)), min(nodata + apart, float(limit.max))
    kind = values.dtype.type
    return (values >= kind(low)) & (values <= kind(high)) if low < high else values == kind(nodata)


def has_nan(array: np.ndarray) -> bool:
    """Whether there is a NaN; faster than looking at each number, and without any cost for integers."""
    if array.dtype.kind != "f" or not array.size:
        return False
    with np.errstate(invalid="ignore"):
        return bool(np.isnan(array.min()))


def missing_in(images: np.ndarray) -> np.ndarray | None:
    """Which values of images (..., C) are no data (bool, same shape); None where all are data."""
    return np.isnan(images) if has_nan(images) else None


def is_empty(images: np.ndarray) -> np.ndarray | None:
    """Which pixels of images (..., C) are no data in all bands, (...) bool; None where none is."""
    missing = missing_in(images)
    if missing is None:
        return None
    empty = np.asarray(missing.all(axis=-1))
    return empty if empty.any() else None


def wide_type(dtype: np.dtype | str) -> np.dtype:
    """The floating type that holds all numbers of up to 53 bits of `dtype`, and NaN: float32 or float64."""
    return np.promote_types(dtype, np.float32)


def marked(images: np.ndarray, invalid: np.ndarray | None) -> np.ndarray:
    """The images with NaN where `invalid` (bool, same shape), of `wide_type`; themselves where nothing is."""
    if invalid is None or not invalid.any():
        return images
    wide = images.astype(wide_type(images.dtype))
    wide[invalid] = np.nan
    return wide


def empty_images(images: np.ndarray, channels: tuple[int, ...] | None, value: float | None) -> np.ndarray:
    """Which images (N, H, W, C) hold nothing but NaN and `value` in the bands `channels` (None: all), (N,) bool."""
    if value is None and images.dtype.kind != "f":
        return np.zeros(len(images), bool)
    found = np.zeros(len(images), bool)
    for number, image in enumerate(images):
        used = with_no_data(image if channels is None else image[..., list(channels)], value)
        missing = missing_in(used)
        found[number] = missing is not None and missing.all()
    return found


def with_no_data(images: np.ndarray, value: float | None) -> np.ndarray:
    """The images with NaN where they are `value`, and all NaN alike; themselves where all are data."""
    invalid = equal_to(images, value)
    missing = missing_in(images)
    if missing is not None:
        invalid = missing if invalid is None else invalid | missing
    return marked(images, invalid)


def percentiles(values: np.ndarray, percents: tuple[float, ...]) -> np.ndarray:
    """Percentiles (P, C) float64 of each band of values (..., C) over its valid ones; 0 where a band has none."""
    flat = values.reshape(-1, values.shape[-1])
    if not has_nan(flat):
        return np.percentile(flat, percents, axis=0)
    bands = [band[~np.isnan(band)] for band in flat.T]
    return np.stack([np.percentile(each, percents) if each.size else np.zeros(len(percents)) for each in bands], axis=1)
