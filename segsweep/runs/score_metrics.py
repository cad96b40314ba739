"""What the scores of an exported file are called where they are logged."""

from collections.abc import Sequence

from segsweep.data.dataset import Dataset, sources_of
from segsweep.evaluation.bootstrap import counted_groups, paired_interval
from segsweep.evaluation.confusion import accuracies, mean_ious
from segsweep.evaluation.evaluator import Evaluation
from segsweep.evaluation.image_counts import ImageCounts, stored_counts
from segsweep.evaluation.stored_predictions import stored
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
        names.ABSENT_CLASS_SHARE: scores.absent_class_share,
        **of_images,
        **{
            name: float(value)
            for stem, values in by_class
            for name, value in zip(names.class_metrics(stem, classes), values, strict=True)
        },
    }


def validation_metrics(evaluation: Evaluation) -> dict[str, float]:
    """The scores on the validation split that variants are chosen by, by metric's name."""
    return {
        names.VALIDATION_ACCURACY: evaluation.scores.accuracy,
        names.VALIDATION_MEAN_IOU: evaluation.scores.mean_iou,
        names.VALIDATION_MEAN_DICE: evaluation.scores.mean_dice,
        names.VALIDATION_AGREEMENT: evaluation.agreement,
        names.EVALUATE_VALIDATION_SECONDS: evaluation.seconds,
    }


def score_files(test: Evaluation, validation: Evaluation) -> dict[str, bytes]:
    """The artifacts of both evaluations, by path."""
    return {
        names.CONFUSION_FILE: stored_counts(test.counts),
        names.VALIDATION_CONFUSION_FILE: stored_counts(validation.counts),
        names.PREDICTIONS_FILE: stored(test.predictions),
        names.VALIDATION_PREDICTIONS_FILE: stored(validation.predictions),
    }


def score_tags(dataset: Dataset, test: ImageCounts, validation: ImageCounts) -> dict[str, str]:
    """On what the scores of a variant rest: its counts on both splits of a data set."""
    tags = {names.SCORE_RULES: names.CURRENT_RULES}
    for counts, images, groups in (
        (test, names.TEST_IMAGES, names.TEST_GROUPS),
        (validation, names.VALIDATION_IMAGES, names.VALIDATION_GROUPS),
    ):
        tags[images], tags[groups] = str(len(counts)), str(counted_groups(counts))
    if sources_of(dataset.test).groups is not None:
        tags[names.GROUPS_GIVEN] = "true"
    return tags


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
    for score, low, high in (
        (accuracies, names.DELTA_ACCURACY_LOW, names.DELTA_ACCURACY_HIGH),
        (mean_ious, names.DELTA_MEAN_IOU_LOW, names.DELTA_MEAN_IOU_HIGH),
    ):
        interval = paired_interval(evaluation.counts, counts, score, groups=evaluation.counts.groups)
        if interval is not None:
            found |= {low: interval.low, high: interval.high}
    return found
