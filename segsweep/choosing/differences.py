"""How two variants differ, from the confusion counts in their runs."""

import numpy as np

from segsweep.choosing.candidates import VALIDATION, Candidate, Metric
from segsweep.evaluation.bootstrap import Interval, paired_interval
from segsweep.evaluation.image_counts import ImageCounts, read_counts
from segsweep.evaluation.score_interval import score_interval
from segsweep.tracking import names
from segsweep.tracking.store import Store


class Differences:
    """Differences between candidates on one split; what is read is kept."""

    def __init__(self, store: Store, metric: Metric, split: str):
        self._store = store
        self._metric = metric
        self._file = names.VALIDATION_CONFUSION_FILE if split == VALIDATION else names.CONFUSION_FILE
        self._counts: dict[str, ImageCounts | None] = {}

    def __call__(self, one: Candidate, other: Candidate) -> Interval | None:
        """The first one's score minus the second one's; None where counts are missing, of other images, or of too few
        independent ones for an interval."""
        counts, others = self.counts(one), self.counts(other)
        if counts is None or others is None or counts.groups is None or not same_truth(counts, others):
            return None
        return paired_interval(counts, others, self._metric.score, groups=counts.groups)

    def score_interval(self, candidate: Candidate) -> Interval | None:
        """The score of a candidate on the split; None where it has no interval."""
        counts = self.counts(candidate)
        if counts is None or counts.groups is None:
            return None
        return score_interval(counts, self._metric.score, groups=counts.groups)

    def counts(self, candidate: Candidate) -> ImageCounts | None:
        """Confusion counts (N, K, K) image by image; None where they are missing or damaged.

        Without `groups` a version before 0.2 counted them, patch by patch: nobody knows which are independent.
        """
        run = candidate.run
        if run.run_id not in self._counts:
            content = self._store.artifacts.read(run, self._file)
            self._counts[run.run_id] = None if content is None else read_counts(content)
        return self._counts[run.run_id]


def same_truth(counts: ImageCounts, others: ImageCounts) -> bool:
    """Whether two sets of confusion counts (N, K, K) can be of the same labels: in each image as much of each class."""
    return np.array_equal(counts.of_truth, others.of_truth)
