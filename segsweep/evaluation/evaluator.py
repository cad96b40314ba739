"""Scoring a predictor on a split: one loop for Keras models and for exported files."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from segsweep.data.batches import evaluation_batches
from segsweep.data.dataset import IGNORE, Normalization, Split, sources_of
from segsweep.data.independent_groups import independent_groups
from segsweep.evaluation.boundary_iou import BoundaryScores, boundary_scores, count_boundaries
from segsweep.evaluation.confusion import Scores, count_confusions, scores
from segsweep.evaluation.image_counts import ImageCounts
from segsweep.evaluation.stored_predictions import StoredPredictions

TOP = 5
"""How many classes `top5_accuracy` looks at."""


class Predictor(Protocol):
    """What can be scored."""

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""

    @property
    def output_size(self) -> tuple[int, int]:
        """Height and width of the class ids: those of an image, or (1, 1) where the whole image has one."""

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Logits (N, H, W, K) float32 of normalized images (N, H, W, C) float32."""

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Class ids (N, H, W) uint8 of normalized images (N, H, W, C) float32; of equal logits the first class wins."""


@dataclass(frozen=True)
class Evaluation:
    """How well a predictor does on a split."""

    counts: ImageCounts = field(repr=False)
    """(S, K, K) confusion counts, a row for each source image of the split, with their groups; rows truth."""
    predictions: np.ndarray = field(repr=False)
    """(N, H, W) uint8 class ids, real pixels only; (N, 1, 1) of whole images."""
    scores: Scores
    boundary: BoundaryScores | None
    """None where whole images have a class."""
    agreement: float
    """Share of the counted pixels to which the baseline gives the same class; 1 where nothing was compared with, NaN
    where no pixel counts."""
    seconds: float
    """Wall time."""
    top5_accuracy: float | None = None
    """Share of the images whose class is among the five with the largest logits; None where pixels have classes, and
    where there are five at most."""


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

    The counts of the patches of an image are summed.

    Of the whole split, only what is returned is in memory: a byte for each pixel, and of each image the counts
    that are not 0.

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
    by_pixel = predictor.output_size != (1, 1)
    height, width = split.image_shape[:2] if by_pixel else (1, 1)
    ranked = not by_pixel and classes > TOP
    parts = [ImageCounts.of(np.zeros((0, classes, classes), np.int64))]
    boundary_counts = np.zeros((2, classes), np.int64)
    predictions = np.empty((len(split), height, width), np.uint8)
    done = same = among_top = 0
    for images, labels in evaluation_batches(
        split, normalization, size=predictor.input_shape[:2], batch_size=batch_size
    ):
        part = slice(done, done + len(images))
        truth = labels[:, :height, :width]
        if ranked:
            logits = predictor.logits(images)
            predictions[part] = logits.argmax(axis=-1)
            among_top += _among_top(logits, truth)
        else:
            predictions[part] = predictor.predict(images)[:, :height, :width]
        parts.append(ImageCounts.of(count_confusions(truth, predictions[part], classes)))
        if by_pixel:
            boundary_counts += count_boundaries(truth, predictions[part], classes)
        if baseline is not None:
            same += _same(predictions[part], baseline.next(len(images)), truth)
        done = part.stop
        if on_image is not None:
            on_image(done)
    counts = ImageCounts.joined(parts).summed(sources_of(split).of_item, independent_groups(split))
    of_truth = counts.total.sum(axis=1)
    counted = int(of_truth.sum())
    return Evaluation(
        counts=counts,
        predictions=predictions,
        scores=scores(counts),
        boundary=boundary_scores(boundary_counts, of_truth > 0) if by_pixel else None,
        agreement=1.0 if baseline is None else same / counted if counted else float("nan"),
        seconds=time.perf_counter() - started,
        top5_accuracy=among_top / counted if ranked and counted else None,
    )


def _among_top(logits: np.ndarray, truth: np.ndarray) -> int:
    """Images whose class is among the `TOP` with the largest logits; (N, 1, 1, K) and (N, 1, 1). First ones win."""
    # Stable, and descending: of equal logits the first classes come first.
    best = np.argsort(-logits, axis=-1, kind="stable")[..., :TOP]
    return int(np.count_nonzero((best == truth[..., None]).any(axis=-1)))


def _same(predictions: np.ndarray, baseline: np.ndarray, labels: np.ndarray) -> int:
    """Counted pixels with the same class in both predictions; all arrays (N, H, W)."""
    return int(np.count_nonzero((predictions == baseline) & (labels != IGNORE)))
