"""The histograms of a scene, for models whose images were equalized or matched: of the scene as a whole."""

from collections.abc import Iterator, Sequence

import numpy as np

from segsweep.data.histogram import LEVELS
from segsweep.predict.member import BandTable, Member
from segsweep.predict.scene import Reader, Scene, Window

_SIDE = 1024
_MOST_SAMPLES = 2**22
"""Of the values of a band that are no 8- or 16-bit numbers, where larger scenes have more pixels."""


def band_tables(scene: Scene, reader: Reader, channels: Sequence[int], member: Member) -> list[BandTable]:
    """What becomes of the values of these bands of the scene, as `Histogram.apply` would change the whole of it.

    Reads all of the scene. Values that are no data do not count.
    """
    counted = scene.dtype in ("uint8", "uint16")
    levels = np.iinfo(scene.dtype).max + 1 if counted else 0
    counts = np.zeros((len(channels), levels), np.int64)
    samples: list[list[np.ndarray]] = [[] for _ in channels]
    step = max(1, int(np.ceil(np.sqrt(scene.height * scene.width / _MOST_SAMPLES))))
    for window in _windows(scene):
        pixels = reader.read(window, tuple(channels))
        invalid = reader.invalid(pixels, window, tuple(channels))
        there = [...] * len(pixels) if invalid is None else list(~invalid)
        if counted:
            for band, own, valid in zip(pixels, counts, there, strict=True):
                own += np.bincount(band[valid].ravel(), minlength=levels)
        else:
            for band, parts, valid in zip(pixels, samples, there, strict=True):
                kept = valid if valid is ... else valid[::step, ::step]
                parts.append(band[::step, ::step][kept].ravel())
    if counted:
        return [_table(np.flatnonzero(own), own[own > 0], number, member) for number, own in enumerate(counts)]
    bands = [np.concatenate(parts) for parts in samples]
    return [_table(*np.unique(band, return_counts=True), number, member) for number, band in enumerate(bands)]


def _table(values: np.ndarray, counts: np.ndarray, band: int, member: Member) -> BandTable:
    if not len(values):
        return BandTable(np.zeros(1), np.zeros(1, np.float32))
    changed = np.cumsum(counts) / counts.sum()
    if member.histogram_table:
        changed = np.interp(changed, np.linspace(0, 1, LEVELS), member.histogram_table[band])
    return BandTable(values, changed.astype(np.float32))


def _windows(scene: Scene) -> Iterator[Window]:
    for top in range(0, scene.height, _SIDE):
        for left in range(0, scene.width, _SIDE):
            yield Window(top, min(top + _SIDE, scene.height), left, min(left + _SIDE, scene.width))
