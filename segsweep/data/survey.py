"""What is known of every image of a split after it was looked at once: enough for all checks, weights and constants."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np

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
    """(N, C) float64: of each band."""
    squares: np.ndarray
    """(N, C) float64: sum of the squared distances from that mean."""
    samples: np.ndarray
    """(N, 16, C) float32: some pixels of the image, evenly spread."""

    def __len__(self) -> int:
        return len(self.counts)

    def take(self, rows: np.ndarray) -> "Survey":
        """Of some of the images."""
        return Survey(**{name: array[rows] for name, array in self.arrays().items()})

    def arrays(self) -> dict[str, np.ndarray]:
        """The numbers by the names of the fields."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation (C,) float64 of each band over all pixels.

        The images' own are combined (Chan, Golub and LeVeque 1979), so that bands of large offset and small spread
        keep their digits.
        """
        pixels = self.counts.sum(axis=1, keepdims=True)
        total = pixels.sum()
        mean = (self.mean * pixels).sum(axis=0) / total
        squares = self.squares.sum(axis=0) + (np.square(self.mean - mean) * pixels).sum(axis=0)
        return mean, np.sqrt(squares / total)

    @property
    def has_one_class(self) -> np.ndarray:
        """(N,) bool: whether fewer than two classes occur in the labels of the image."""
        return np.count_nonzero(self.counts[:, : LABELS - 1], axis=1) < 2

    @property
    def is_constant(self) -> np.ndarray:
        """(N,) bool: whether all pixels of the image are the same, as where nothing was recorded."""
        return np.all(self.squares == 0, axis=1)


def survey_images(images: np.ndarray, labels: np.ndarray) -> Survey:
    """The survey of images (N, H, W, C) of any numeric type and labels (N, H, W) or (N, 1, 1) uint8."""
    return joined([_survey_image(image, label) for image, label in zip(images, labels, strict=True)])


def joined(surveys: Iterable[Survey]) -> Survey:
    """The survey of all the images, in order."""
    parts = [each.arrays() for each in surveys]
    return Survey(**{name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def _survey_image(image: np.ndarray, labels: np.ndarray) -> Survey:
    pixels = image.reshape(-1, image.shape[-1])
    mean = pixels.mean(axis=0, dtype=np.float64)
    spread = pixels - mean
    chosen = np.linspace(0, len(pixels) - 1, _SAMPLES).round().astype(np.int64)
    counts = np.bincount(labels.reshape(-1), minlength=LABELS) * (len(pixels) // labels.size)
    return Survey(
        counts=counts.astype(np.int32)[None],
        digests=np.frombuffer(digest(image), np.uint8)[None],
        mask_digests=np.frombuffer(hashlib.sha256(np.ascontiguousarray(labels).data).digest(), np.uint8)[None],
        mean=mean[None],
        squares=np.einsum("pc,pc->c", spread, spread)[None],
        samples=pixels[chosen].astype(np.float32)[None],
    )


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
