"""What the scores of an exported file are called where they are logged."""

from collections.abc import Sequence

from segsweep.evaluation.evaluator import Evaluation
from segsweep.tracking import names


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
