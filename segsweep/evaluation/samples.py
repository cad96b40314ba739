"""Some test images with their truth and what a variant predicts for them, small enough to be kept and looked at."""

import io
import zipfile
from dataclasses import dataclass, field

import numpy as np

from segsweep.data.dataset import Dataset, survey_of
from segsweep.data.pictures import true_colour

MOST_SAMPLES = 6
LONGEST_SIDE = 256


@dataclass(frozen=True)
class Samples:
    """S test images, the same ones for every variant that is scored on the same test split."""

    indices: np.ndarray
    """(S,) int64, in the test split, ascending."""
    images: np.ndarray = field(repr=False)
    """(S, h, w, 3) uint8, as people see them; the longer side is `LONGEST_SIDE` at most."""
    truth: np.ndarray = field(repr=False)
    """(S, h, w) uint8 class ids; `IGNORE` where a pixel counts nowhere."""
    predictions: np.ndarray = field(repr=False)
    """(S, h, w) uint8 class ids."""
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    """A colour (red, green, blue; 0..255) for each class."""


def sample_indices(pixels: np.ndarray, count: int = MOST_SAMPLES) -> np.ndarray:
    """Which images to show: for each class, rarest first, the one with most of it; then some from all over.

    Args:
        pixels: (N, K) counted pixels of each class in each image.
        count: how many at most.

    Returns:
        Up to `count` indices, ascending; they follow from the truth alone.
    """
    images, _ = pixels.shape
    totals = pixels.sum(axis=0)
    chosen: list[int] = []
    for each in np.argsort(totals, kind="stable"):
        if totals[each] and len(chosen) < count:
            left = np.where(np.isin(np.arange(images), chosen), -1, pixels[:, each])
            if left.max() > 0:
                chosen.append(int(left.argmax()))
    spread = np.linspace(0, images - 1, min(count, images)).round().astype(int)
    rest = [index for index in [*spread, *range(images)] if index not in chosen]
    for index in dict.fromkeys(rest):
        if len(chosen) < count:
            chosen.append(int(index))
    return np.sort(np.array(chosen, np.int64))


def take_samples(dataset: Dataset, predictions: np.ndarray) -> Samples:
    """The samples of a variant that was scored.

    Args:
        dataset: whose test split was predicted.
        predictions: (N, H, W) uint8 class ids.
    """
    indices = sample_indices(survey_of(dataset.test).counts[:, : len(dataset.classes)])
    images, truth = dataset.test.read(indices)
    by_pixel = predictions.shape[1:] != (1, 1)
    height, width = predictions.shape[1:] if by_pixel else images.shape[1:3]
    rows, columns = (_kept(length, max(height, width)) for length in (height, width))
    at = np.ix_(rows, columns)
    return Samples(
        indices=indices,
        images=np.stack([true_colour(image[:height, :width], dataset.rgb)[at] for image in images]),
        truth=np.stack([np.broadcast_to(label[:height, :width], (height, width))[at] for label in truth]),
        predictions=np.stack([np.broadcast_to(predictions[index], (height, width))[at] for index in indices]),
        classes=dataset.classes,
        palette=dataset.palette,
    )


def stored_samples(samples: Samples) -> bytes:
    """A compressed NumPy archive with an array for each field; no pickles."""
    content = io.BytesIO()
    np.savez_compressed(
        content,
        indices=samples.indices,
        images=samples.images,
        truth=samples.truth,
        predictions=samples.predictions,
        classes=np.array(samples.classes, np.str_),
        palette=np.array(samples.palette, np.uint8),
    )
    return content.getvalue()


def read_samples(content: bytes) -> Samples | None:
    """What `stored_samples` wrote; None where it is something else."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return Samples(
                indices=arrays["indices"],
                images=arrays["images"],
                truth=arrays["truth"],
                predictions=arrays["predictions"],
                classes=tuple(str(name) for name in arrays["classes"]),
                palette=tuple((int(red), int(green), int(blue)) for red, green, blue in arrays["palette"]),
            )
    except (KeyError, ValueError, EOFError, OSError, zipfile.BadZipFile):
        return None


def _kept(length: int, longest: int) -> np.ndarray:
    """Which of `length` rows or columns are kept of an image whose longer side is `longest`: the nearest ones."""
    size = length if longest <= LONGEST_SIDE else max(1, round(length * LONGEST_SIDE / longest))
    return np.minimum(((np.arange(size) + 0.5) * length / size).astype(int), length - 1)
