"""Scoring a predictor on a split: one loop for Keras models and for exported files."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from segsweep.data.batches import evaluation_batches
from segsweep.data.dataset import IGNORE, Normalization, Split
from segsweep.evaluation.boundary_iou import BoundaryScores, boundary_scores, count_boundaries
from segsweep.evaluation.confusion import Scores, count_confusions, scores
from segsweep.evaluation.stored_predictions import StoredPredictions


class Predictor(Protocol):
    """What can be scored."""

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Class ids (N, H, W) uint8 of normalized images (N, H, W, C) float32."""


@dataclass(frozen=True)
class Evaluation:
    """How well a predictor does on a split."""

    counts: np.ndarray = field(repr=False)
    """(N, K, K) int64 confusion counts; rows truth."""
    predictions: np.ndarray = field(repr=False)
    """(N, H, W) uint8 class ids, real pixels only."""
    scores: Scores
    boundary: BoundaryScores
    agreement: float
    """Share of the counted pixels to which the baseline gives the same class; 1 where nothing was compared with, NaN
    where no pixel counts."""
    seconds: float
    """Wall time."""


def evaluate(
    predictor: Predictor,
    split: Split,
    normalization: Normalization,
    classes: int,
    *,
    batch_size: int = 8,
    baseline: StoredPredictions | None = None,
    on_image: Callable[[int], None] | None = None,
) -> Evaluation:
    """Score `predictor` on all of `split`; padding is cut off before anything is counted.

    Of the whole split, only what is returned is in memory: a byte for each pixel, and K x K counts for each image.

    Args:
        predictor: whose input is at least as large as the images.
        split: N images with labels.
        normalization: what the predictor's training used.
        classes: K.
        batch_size: images read at a time; does not change the scores.
        baseline: predictions of the same images to compare with.
        on_image: called with the number of images done, after each batch.
    """
    started = time.perf_counter()
    height, width, _ = split.image_shape
    counts = np.empty((len(split), classes, classes), np.int64)
    boundary_counts = np.zeros((2, classes), np.int64)
    predictions = np.empty((len(split), height, width), np.uint8)
    done = same = 0
    for images, labels in evaluation_batches(
        split, normalization, size=predictor.input_shape[:2], batch_size=batch_size
    ):
        part = slice(done, done + len(images))
        predictions[part] = predictor.predict(images)[:, :height, :width]
        truth = labels[:, :height, :width]
        counts[part] = count_confusions(truth, predictions[part], classes)
        boundary_counts += count_boundaries(truth, predictions[part], classes)
        if baseline is not None:
            same += _same(predictions[part], baseline.next(len(images)), truth)
        done = part.stop
        if on_image is not None:
            on_image(done)
    return Evaluation(
        counts=counts,
        predictions=predictions,
        scores=scores(counts),
        boundary=boundary_scores(boundary_counts),
        agreement=1.0 if baseline is None else same / counted if (counted := int(counts.sum())) else float("nan"),
        seconds=time.perf_counter() - started,
    )


def _same(predictions: np.ndarray, baseline: np.ndarray, labels: np.ndarray) -> int:
    """Counted pixels with the same class in both predictions; all arrays (N, H, W)."""
    return int(np.count_nonzero((predictions == baseline) & (labels != IGNORE)))
