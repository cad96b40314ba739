"""Labels that a trained model gives to training pixels without one, where it is sure.

Lee 2013, Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method for Deep Neural Networks.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from segsweep.data.batches import pad
from segsweep.data.dataset import IGNORE, Dataset, Normalization, Split, survey_of
from segsweep.data.no_data import is_empty
from segsweep.data.point_labels import PointSplit
from segsweep.errors import DataError

_AT_ONCE = 8

Teacher = Callable[[np.ndarray], np.ndarray]
"""From normalized images (N, H, W, C) float32 to logits (N, H, W, K) float32."""


@dataclass(frozen=True)
class LabelledSplit:
    """Images of a split with other labels, which are in memory."""

    inner: Split = field(repr=False)
    labels: np.ndarray = field(repr=False)
    """(N, H, W) uint8."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.inner.image_shape

    @cached_property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.inner.fingerprint.encode() + self.labels.tobytes()).hexdigest()

    def __len__(self) -> int:
        return len(self.inner)

    def read(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.inner.read(indices)[0], self.labels[indices]


@dataclass(frozen=True)
class JoinedSplit:
    """The images of several splits, one behind the other; all are of one shape."""

    parts: tuple[Split, ...] = field(repr=False)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.parts[0].image_shape

    @cached_property
    def fingerprint(self) -> str:
        return hashlib.sha256(" ".join(part.fingerprint for part in self.parts).encode()).hexdigest()

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def read(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images: list[np.ndarray] = [np.empty(0)] * len(indices)
        labels = list(images)
        first = 0
        for part in self.parts:
            here = np.flatnonzero((indices >= first) & (indices < first + len(part)))
            if len(here):
                for place, image, label in zip(here, *part.read(indices[here] - first), strict=True):
                    images[place], labels[place] = image, label
            first += len(part)
        return np.stack(images), np.stack(labels)


@dataclass(frozen=True)
class PseudoLabels:
    """What a teacher made of the pixels without a label."""

    split: LabelledSplit
    """The images, with the labels they had and those they were given."""
    asked: int
    """Pixels without a label."""
    given: np.ndarray
    """(K,) int64: how many of them were given each class."""
    judged: np.ndarray
    """(K,) int64: of those given each class, how many have a truth that is known ..."""
    right: np.ndarray
    """(K,) int64: ... and how many of these it is."""

    @property
    def share(self) -> float:
        """Share of the pixels without a label that were given one; 0..1."""
        return float(self.given.sum() / self.asked) if self.asked else 0.0

    @property
    def accuracy(self) -> float | None:
        """Share of the labels given that are right, of those whose truth is known; None where none is."""
        return float(self.right.sum() / self.judged.sum()) if self.judged.any() else None


def require_apart(unlabelled: Split, dataset: Dataset) -> None:
    """Refuse unlabelled images that are validation or test images too: what is scored must not be trained on.

    Images of a single colour are equal for nothing.

    Raises:
        DataError: an image is in both.
    """
    survey = survey_of(unlabelled)
    ours = {digest.tobytes() for digest in survey.digests[~survey.is_constant]}
    for role, split in (("validation", dataset.validation), ("test", dataset.test)):
        shared = sum(digest.tobytes() in ours for digest in survey_of(split).digests)
        if shared:
            raise DataError(
                f"data.unlabelled: {shared} of the {len(split)} {role} images of data={dataset.name} are there too and "
                "would be trained on; take them out of the unlabelled ones"
            )


def pseudo_labelled(
    split: Split,
    teacher: Teacher,
    normalization: Normalization,
    *,
    size: tuple[int, int],
    thresholds: Sequence[float],
    on_image: Callable[[int], None] | None = None,
) -> PseudoLabels:
    """Label the pixels of `split` that are `IGNORE` and of which the teacher is sure; the others keep their labels.

    Args:
        split: N images of which some or all pixels have no label.
        teacher: gives logits.
        normalization: what the teacher's training used.
        size: height and width of the teacher's input, to which images are padded.
        thresholds: (K,) the least probability of each class that is sure; 0..1.
        on_image: called with the number of images done.
    """
    height, width = split.image_shape[:2]
    least = np.asarray(thresholds, np.float32)
    labels = np.empty((len(split), height, width), np.uint8)
    given, judged, right = (np.zeros(len(least), np.int64) for _ in range(3))
    asked = 0
    for start in range(0, len(split), _AT_ONCE):
        indices = np.arange(start, min(start + _AT_ONCE, len(split)))
        images, known = split.read(indices)
        padded, _ = pad(images, known, size)
        logits = teacher(normalization.apply(padded))[:, :height, :width]
        classes, probability = _surest(logits)
        unknown = known == IGNORE
        empty = is_empty(images)
        if empty is not None:
            # Where there is nothing to see, a label would be of nothing.
            unknown &= ~empty
        sure = unknown & (probability >= least[classes])
        labels[indices] = np.where(sure, classes, known)
        asked += int(unknown.sum())
        given += np.bincount(classes[sure], minlength=len(least))
        if isinstance(split, PointSplit):
            _, truth = split.inner.read(indices)
            countable = sure & (truth != IGNORE)
            judged += np.bincount(classes[countable], minlength=len(least))
            right += np.bincount(classes[countable & (classes == truth)], minlength=len(least))
        if on_image is not None:
            on_image(int(indices[-1]) + 1)
    return PseudoLabels(LabelledSplit(split, labels), asked, given, judged, right)


def _surest(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The class with the largest logit, uint8, and its softmax probability, float32; (N, H, W) each."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return logits.argmax(axis=-1).astype(np.uint8), 1 / shifted.sum(axis=-1)
