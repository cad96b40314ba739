"""Several exported files that decide together.

The mean of probabilities: Lakshminarayanan et al. 2017, Simple and Scalable Predictive Uncertainty Estimation using
Deep Ensembles, arXiv 1612.01474.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from segsweep.data.batches import pad
from segsweep.data.dataset import Normalization
from segsweep.tflite.interpreter import TFLiteModel


@dataclass(frozen=True)
class EnsembleMember:
    """A file and what its training did to images."""

    model: TFLiteModel = field(repr=False)
    normalization: Normalization

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """(N, h, w, K) float32 of images (N, H, W, C) as they are stored."""
        height, width = images.shape[1:3]
        padded, _ = pad(images, np.zeros((len(images), height, width), np.uint8), self.model.input_shape[:2])
        logits = self.model.logits(self.normalization.apply(padded))
        logits = logits[:, : min(height, logits.shape[1]), : min(width, logits.shape[2])]
        exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return exponentials / exponentials.sum(axis=-1, keepdims=True)


class EnsemblePredictor:
    """Scored like one file; takes images as they are stored, since each member normalizes and pads them as it needs."""

    def __init__(
        self, members: Sequence[EnsembleMember], weights: Sequence[float], combine: str, shape: tuple[int, int, int]
    ):
        """`weights` are one a member, of any sum; `shape` is height, width and channels of the images."""
        self.input_shape = shape
        self._members = members
        self._weights = np.asarray(weights, np.float32) / np.float32(sum(weights))
        self._combine = COMBINATIONS[combine]
        self._threads = ThreadPoolExecutor(len(members), thread_name_prefix="ensemble")

    @property
    def output_size(self) -> tuple[int, int]:
        """Height and width of the class ids; (1, 1) where the whole image has one."""
        return (1, 1) if self._members[0].model.output_size == (1, 1) else self.input_shape[:2]

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Probabilities, or shares of votes, (N, H, W, K) float32 of images (N, H, W, C) as they are stored."""
        given = list(self._threads.map(lambda member: member.probabilities(images), self._members))
        return self._combine(np.stack(given), self._weights)

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Class ids (N, H, W) uint8; of equal ones the first wins."""
        return self.logits(images).argmax(axis=-1).astype(np.uint8)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()


def mean(probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The mean (N, H, W, K) of what members (M, N, H, W, K) give, with their weights (M,)."""
    return np.tensordot(weights, probabilities, axes=1)


def vote(probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The share of members that say each class; of equal shares, the higher mean probability comes first."""
    classes = probabilities.shape[-1]
    said = np.eye(classes, dtype=np.float32)[probabilities.argmax(axis=-1)]
    # Less than half a vote, whatever it is.
    return said.mean(axis=0) + mean(probabilities, weights) * np.float32(0.4 / len(probabilities))


COMBINATIONS: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "mean": mean,
    "weighted": mean,
    "vote": vote,
}
"""By the word in `ensemble.combine`."""
