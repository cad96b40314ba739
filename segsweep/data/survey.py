"""What is known of every image of a split after it was looked at once: enough for all checks, weights and constants."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np

from segsweep.data.no_data import missing_in

LABELS = 256
_SAMPLES = 16
"""Pixels kept of each image, for percentiles."""


@dataclass(frozen=True, eq=False)
class Survey:
    """Of N images with C bands."""

    counts: np.ndarray
    """(N, 256) int32: pixels of each label; the label of a whole image is that of all its pixels."""
    digests: np.ndarray
    """(N, 32) uint8: sha256 of the image; the same for equal numbers of another type."""
    mask_digests: np.ndarray
    """(N, 32) uint8: sha256 of its labels."""
    mean: np.ndarray
    """(N, C) float64: of the valid values of each band; 0 where a band has none."""
    squares: np.ndarray
    """(N, C) float64: sum of the squared distances of the valid values from that mean."""
    samples: np.ndarray
    """(N, 16, C) float32: some pixels of the image, evenly spread; of a band with invalid values as large a share of
    the 16 as of its values is valid, and NaN in the rest."""
    valid: np.ndarray
    """(N, C) int64: how many values of each band are valid."""
    empty: np.ndarray
    """(N,) int64: pixels that are no data in all bands."""

    def __len__(self) -> int:
        return len(self.counts)

    def take(self, rows: np.ndarray) -> "Survey":
        """Of some of the images."""
        return Survey(**{name: array[rows] for name, array in self.arrays().items()})

    def arrays(self) -> dict[str, np.ndarray]:
        """The numbers by the names of the fields."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation (C,) float64 of each band over its valid values; 0 where it has none.

        The images' own are combined (Chan, Golub and LeVeque 1979), so that bands of large offset and small spread
        keep their digits.
        """
        total = np.maximum(self.valid.sum(axis=0), 1)
        mean = (self.mean * self.valid).sum(axis=0) / total
        squares = self.squares.sum(axis=0) + (np.square(self.mean - mean) * self.valid).sum(axis=0)
        return mean, np.sqrt(squares / total)

    @property
    def has_one_class(self) -> np.ndarray:
        """(N,) bool: whether fewer than two classes occur in the labels of the image."""
        return np.count_nonzero(self.counts[:, : LABELS - 1], axis=1) < 2

    @property
    def is_constant(self) -> np.ndarray:
        """(N,) bool: whether all valid pixels of the image are the same, as where nothing was recorded."""
        return np.all(self.squares == 0, axis=1)


def survey_images(images: np.ndarray, labels: np.ndarray) -> Survey:
    """The survey of images (N, H, W, C) of any numeric type, NaN where they are no data, and labels (N, H, W) or
    (N, 1, 1) uint8."""
    return joined([_survey_image(image, label) for image, label in zip(images, labels, strict=True)])


def joined(surveys: Iterable[Survey]) -> Survey:
    """The survey of all the images, in order."""
    parts = [each.arrays() for each in surveys]
    return Survey(**{name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def _survey_image(image: np.ndarray, labels: np.ndarray) -> Survey:
    pixels = image.reshape(-1, image.shape[-1])
    missing = missing_in(pixels)
    known = _of_all(pixels) if missing is None else _of_valid(pixels, ~missing)
    counts = np.bincount(labels.reshape(-1), minlength=LABELS) * (len(pixels) // labels.size)
    return Survey(
        counts=counts.astype(np.int32)[None],
        digests=np.frombuffer(digest(image), np.uint8)[None],
        mask_digests=np.frombuffer(hashlib.sha256(np.ascontiguousarray(labels).data).digest(), np.uint8)[None],
        **{name: array[None] for name, array in known.items()},
    )


def _of_all(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """The numbers of an image's pixels (P, C) by the names of the fields; all values are valid."""
    mean = pixels.mean(axis=0, dtype=np.float64)
    spread = pixels - mean
    return {
        "mean": mean,
        "squares": np.einsum("pc,pc->c", spread, spread),
        "samples": pixels[_spread(len(pixels), _SAMPLES)].astype(np.float32),
        "valid": np.full(pixels.shape[1], len(pixels), np.int64),
        "empty": np.int64(0),
    }


def _of_valid(pixels: np.ndarray, there: np.ndarray) -> dict[str, np.ndarray]:
    """The same of those values of (P, C) that are valid, as `there` (P, C) says."""
    bands = pixels.shape[1]
    mean, squares = np.zeros(bands), np.zeros(bands)
    samples = np.full((_SAMPLES, bands), np.nan, np.float32)
    for band in range(bands):
        values = pixels[there[:, band], band].astype(np.float64)
        if not len(values):
            continue
        mean[band] = values.mean()
        squares[band] = np.square(values - mean[band]).sum()
        # So that each image has the weight of its valid values, and none has no weight.
        count = max(1, round(_SAMPLES * len(values) / len(pixels)))
        samples[:count, band] = values[_spread(len(values), count)]
    return {
        "mean": mean,
        "squares": squares,
        "samples": samples,
        "valid": there.sum(axis=0, dtype=np.int64),
        "empty": np.int64(np.count_nonzero(~there.any(axis=1))),
    }


def _spread(length: int, count: int) -> np.ndarray:
    """`count` indices from the first to the last of so many, evenly spread."""
    return np.linspace(0, length - 1, count).round().astype(np.int64)


def digest(image: np.ndarray) -> bytes:
    """Sha256 of an image's numbers; the same for equal numbers of another type."""
    for narrow in (np.uint8, np.uint16):
        if image.dtype != narrow and image.dtype.kind == "f":
            with np.errstate(invalid="ignore"):
                cast = image.astype(narrow)
        else:
            cast = image.astype(narrow, copy=False)
        if image.dtype == narrow or np.array_equal(cast, image):
            break
    else:
        cast = image.astype(np.float64)
    found = hashlib.sha256(f"{cast.dtype.str}{cast.shape}".encode())
    found.update(np.ascontiguousarray(cast).data)
    return found.digest()
