"""The differences that a variant's run logs, and on what they rest."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from small_jobs import dataset

from segsweep.evaluation.confusion import scores
from segsweep.evaluation.evaluator import Evaluation
from segsweep.evaluation.image_counts import ImageCounts
from segsweep.runs.score_metrics import deltas, score_tags
from segsweep.tracking import names


def evaluation_of(seed: int, groups: np.ndarray) -> Evaluation:
    cells = np.random.default_rng(seed).integers(1, 60, (24, 2, 2))
    counts = replace(ImageCounts.of(cells), groups=groups)
    return Evaluation(counts, np.zeros((24, 1, 1), np.uint8), scores(counts), None, 0.9, 0.1)


@pytest.mark.parametrize(("groups", "has_interval"), [(np.arange(24), True), (np.arange(24) // 5, False)])
def test_differences_have_intervals_over_groups(groups, has_interval):
    one, other = evaluation_of(1, groups), evaluation_of(2, groups)
    baseline = SimpleNamespace(metrics={names.ACCURACY: other.scores.accuracy, names.MEAN_IOU: other.scores.mean_iou})
    found = deltas(one, baseline, other.counts)
    assert found[names.DELTA_MEAN_IOU] == pytest.approx(one.scores.mean_iou - other.scores.mean_iou)
    assert (names.DELTA_MEAN_IOU_LOW in found) == (names.DELTA_ACCURACY_LOW in found) == has_interval


def test_groups_in_which_no_pixel_counts_are_no_groups():
    counts = np.ones((7, 2, 2), np.int64)
    counts[3] = 0
    counted = replace(ImageCounts.of(counts), groups=np.array([0, 0, 1, 2, 3, 4, 5]))
    tags = score_tags(dataset(), counted, counted)
    assert (tags[names.TEST_IMAGES], tags[names.TEST_GROUPS]) == ("7", "5")
    assert (tags[names.VALIDATION_IMAGES], tags[names.VALIDATION_GROUPS]) == ("7", "5")
    assert tags[names.SCORE_RULES] == names.CURRENT_RULES
