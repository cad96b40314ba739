"""What the scores of an exported file are called where they are logged."""

from collections.abc import Sequence

from segsweep.evaluation.bootstrap import paired_interval
from segsweep.evaluation.confusion import accuracies, mean_ious
from segsweep.evaluation.evaluator import Evaluation
from segsweep.evaluation.image_counts import ImageCounts
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord


def score_metrics(evaluation: Evaluation, classes: Sequence[str]) -> dict[str, float]:
    """Every score by its metric's name; NaN for a class that has none, which is not logged."""
    scores, boundary = evaluation.scores, evaluation.boundary
    by_class = [
        (names.IOU, scores.iou),
        (names.DICE, scores.dice),
        (names.PRECISION, scores.precision),
        (names.RECALL, scores.recall),
    ]
    if boundary is not None:
        by_class.append((names.BOUNDARY_IOU, boundary.of_classes))
    of_images = {names.MACRO_F1: scores.mean_dice} if boundary is None else {names.BOUNDARY_IOU: boundary.mean}
    if evaluation.top5_accuracy is not None:
        of_images[names.TOP5_ACCURACY] = evaluation.top5_accuracy
    return {
        names.ACCURACY: scores.accuracy,
        names.MEAN_IOU: scores.mean_iou,
        names.MEAN_DICE: scores.mean_dice,
        names.MEAN_PRECISION: scores.mean_precision,
        names.MEAN_RECALL: scores.mean_recall,
        **of_images,
        **{
            name: float(value)
            for stem, values in by_class
            for name, value in zip(names.class_metrics(stem, classes), values, strict=True)
        },
    }


def deltas(evaluation: Evaluation, baseline: RunRecord, counts: ImageCounts) -> dict[str, float]:
    """What is different from a baseline that was scored on the same images, by metric's name.

    Args:
        evaluation: of a variant, compared with the baseline's predictions.
        baseline: the other one's run.
        counts: (N, K, K) its confusion counts.
    """
    found = {
        names.DELTA_ACCURACY: evaluation.scores.accuracy - baseline.metrics[names.ACCURACY],
        names.DELTA_MEAN_IOU: evaluation.scores.mean_iou - baseline.metrics[names.MEAN_IOU],
        names.AGREEMENT: evaluation.agreement,
    }
    accuracy = paired_interval(evaluation.counts, counts, accuracies)
    if accuracy is not None:
        found |= {names.DELTA_ACCURACY_LOW: accuracy.low, names.DELTA_ACCURACY_HIGH: accuracy.high}
    mean_iou = paired_interval(evaluation.counts, counts, mean_ious)
    if mean_iou is not None:
        found |= {names.DELTA_MEAN_IOU_LOW: mean_iou.low, names.DELTA_MEAN_IOU_HIGH: mean_iou.high}
    return found
