"""Normalization constants of a data set, from its training split alone."""

import numpy as np

from segsweep.data.dataset import Normalization, Split

_CHUNK = 64


def fit_normalization(split: Split) -> Normalization:
    """Mean and standard deviation of each band over all pixels of `split`.

    Sums are in float64, relative to the first image's mean, so that bands of large offset and small spread keep
    their digits; a constant band gets the standard deviation 1.
    """
    channels = split.image_shape[2]
    origin = split.read(np.array([0]))[0].reshape(-1, channels).mean(axis=0, dtype=np.float64)
    total = np.zeros(channels)
    squares = np.zeros(channels)
    pixels = 0
    for start in range(0, len(split), _CHUNK):
        images, _ = split.read(np.arange(start, min(start + _CHUNK, len(split))))
        values = images.reshape(-1, channels).astype(np.float64) - origin
        total += values.sum(axis=0)
        squares += np.square(values).sum(axis=0)
        pixels += len(values)
    mean = total / pixels
    std = np.sqrt(np.maximum(squares / pixels - np.square(mean), 0))
    std[std == 0] = 1
    return Normalization((mean + origin).astype(np.float32), std.astype(np.float32))
