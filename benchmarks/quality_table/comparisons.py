"""Differences between rows on the same images, with paired intervals, and Holm's correction over the sets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy import stats

from quality_table.rows import Row
from quality_table.weight_sets import LEAST_GROUPS, WeightSet
from segsweep.evaluation.bootstrap import Interval, counted_groups, mean_ious, paired_interval
from segsweep.evaluation.confusion import scores
from segsweep.evaluation.image_counts import ImageCounts
from segsweep.evaluation.jackknife import jackknife

SIGNIFICANCE = 0.05
"""Chance of any wrong mark among the sets of one comparison."""


@dataclass(frozen=True)
class SetRows:
    """What was measured on one set of weights."""

    entry: WeightSet
    rows: Mapping[str, Row]

    def counts(self, name: str, split: str = "test") -> ImageCounts | None:
        """Confusion counts of a row; None where it is missing or was refused."""
        row = self.rows.get(name)
        return getattr(row, split) if row is not None else None

    def mean_iou(self, name: str, split: str = "test") -> float | None:
        """Mean IoU of a row, 0..1; None where there is none."""
        counts = self.counts(name, split)
        return scores(counts).mean_iou if counts is not None else None

    def fact(self, name: str, fact: str) -> float | None:
        """A number that was noted with a row."""
        row = self.rows.get(name)
        return row.facts.get(fact) if row is not None else None

    @property
    def groups(self) -> int:
        """Independent groups of test images."""
        counts = next((each for name in self.rows if (each := self.counts(name)) is not None), None)
        return counted_groups(counts) if counts is not None else 0


@dataclass(frozen=True)
class Difference:
    """A row minus another one on the same test images, in mean IoU, 0..1."""

    entry: WeightSet
    value: float
    interval: Interval | None
    """95 %; None where the set has too few groups."""
    p: float | None
    """Two-sided p value of no difference, of the same t distribution as the interval; None as for `interval`."""
    holm: float | None = None
    """`p` after Holm's correction over the sets of the comparison."""

    @property
    def sign(self) -> int:
        """1 or -1 where the difference is beyond noise after Holm's correction, else 0."""
        if self.holm is None or self.holm > SIGNIFICANCE:
            return 0
        return 1 if self.value > 0 else -1


def differences(sets: Sequence[SetRows], row: str, other: str) -> list[Difference]:
    """`row` minus `other` on each set that has both, in the order of the sets."""
    found = []
    for each in sets:
        counts, baseline = each.counts(row), each.counts(other)
        if counts is not None and baseline is not None:
            found.append(_difference(each, counts, baseline))
    tested = [each.p for each in found if each.p is not None]
    adjusted = iter(holm(tested))
    return [
        each if each.p is None else Difference(each.entry, each.value, each.interval, each.p, next(adjusted))
        for each in found
    ]


def _difference(rows: SetRows, counts: ImageCounts, baseline: ImageCounts) -> Difference:
    value = scores(counts).mean_iou - scores(baseline).mean_iou
    if rows.groups < LEAST_GROUPS:
        return Difference(rows.entry, value, None, None)
    interval = paired_interval(counts, baseline, mean_ious, groups=counts.groups)
    return Difference(rows.entry, value, interval, p_value(counts, baseline))


def p_value(counts: ImageCounts, baseline: ImageCounts) -> float | None:
    """Two-sided p value of no difference in mean IoU; the 95 % interval of `paired_interval` ends at 0 for p = 0.05."""
    found = jackknife([counts, baseline], lambda totals: mean_ious(totals[0]) - mean_ious(totals[1]), counts.groups)
    if found is None:
        return None
    if found.error == 0:
        return 1.0 if found.value == 0 else 0.0
    return float(2 * stats.t.sf(abs(found.value) / found.error, found.freedom))


def holm(p_values: Sequence[float]) -> list[float]:
    """P values after Holm's correction, in the order given (Holm, Scandinavian Journal of Statistics 6, 1979)."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
