"""What the table is to show, as data: a quantity that is measured, and its limit."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from quality_table import rows
from quality_table.comparisons import Difference, SetRows, differences
from quality_table.rows import STEP_TIMES
from quality_table.weight_sets import QUICKSTART

Sets = Sequence[SetRows]

_RELATIONS: Mapping[str, Callable[[float, float], bool]] = {"at most": operator.le, "at least": operator.ge}


@dataclass(frozen=True)
class Aim:
    """One line of the list of aims."""

    text: str
    quantity: Callable[[Sets], float | None]
    """From what was measured; None where nothing was."""
    relation: str
    """`at most` or `at least`."""
    limit: float
    unit: str
    """`points`, `sets`, `%`, ..."""

    def verdict(self, value: float | None) -> str:
        """Met, missed or not measured. The limit itself is met; what is beyond it by rounding of floats, too."""
        if value is None:
            return "not measured"
        slack = 1e-9 if self.relation == "at most" else -1e-9
        return "met" if _RELATIONS[self.relation](value, self.limit + slack) else "**missed**"


def points(found: Sequence[Difference]) -> list[float]:
    """Differences in points of mean IoU, 0..100."""
    return [100 * each.value for each in found]


def average(row: str, other: str, family: str | None = None, *, tested: bool = False) -> Callable[[Sets], float | None]:
    """Mean difference in points over the sets (of a family; of those with intervals)."""

    def of(sets: Sets) -> float | None:
        found = [
            each
            for each in differences(_of_family(sets, family), row, other)
            if each.interval is not None or not tested
        ]
        return fmean(points(found)) if found else None

    return of


def loss(row: str, statistic: Callable[[Sequence[float]], float]) -> Callable[[Sets], float | None]:
    """Of what is lost against float32 on each set, in points."""

    def of(sets: Sets) -> float | None:
        lost = [-each for each in points(differences(sets, row, rows.FLOAT32))]
        return statistic(lost) if lost else None

    return of


def below_better_rival(sets: Sets) -> float | None:
    """int8's average minus the better of its two rivals', in points, over the sets that have all three."""
    both = [each for each in sets if all(each.counts(name) for name in (rows.INT8, rows.CONVERTER, rows.LIBRARY))]
    ahead = [points(differences(both, rows.INT8, rival)) for rival in (rows.CONVERTER, rows.LIBRARY)]
    return min(fmean(each) for each in ahead) if both else None


def marked(
    row: str, other: str, sign: int, *, share: bool = False, family: str | None = None
) -> Callable[[Sets], float | None]:
    """On how many sets (or on what share of those with intervals, in %) a row is above (1) or below (-1) another."""

    def of(sets: Sets) -> float | None:
        tested = [each for each in differences(_of_family(sets, family), row, other) if each.holm is not None]
        if not tested:
            return None
        found = sum(each.sign == sign for each in tested)
        return 100 * found / len(tested) if share else float(found)

    return of


def interval_below(row: str, other: str, family: str) -> Callable[[Sets], float | None]:
    """On how many sets the interval lies below 0, each looked at by itself."""

    def of(sets: Sets) -> float | None:
        found = [each.interval for each in differences(_of_family(sets, family), row, other) if each.interval]
        return float(sum(each.difference < 0 and not each.is_within_noise for each in found)) if found else None

    return of


def control_below_start(sets: Sets) -> float | None:
    """By how much the float control ends below its start on validation, in points, where it is worst."""
    pairs = [(each.mean_iou(rows.FLOAT32, "validation"), each.mean_iou(rows.CONTROL_FLOAT32, "validation"))
             for each in sets]  # fmt: skip
    below = [100 * (start - end) for start, end in pairs if start is not None and end is not None]
    return max(below, default=None)


def size_share(fact: str, width: int | None) -> Callable[[Sets], float | None]:
    """Bytes of the int4 file, or of its weights, in % of int8's: the largest of the quickstart (of a width)."""

    def of(sets: Sets) -> float | None:
        wanted = [each for each in _of_family(sets, QUICKSTART) if width is None or f"-w{width}-" in each.entry.name]
        pairs = [(each.fact(rows.INT4, fact), each.fact(rows.INT8, fact)) for each in wanted]
        return max((100 * small / large for small, large in pairs if small and large), default=None)

    return of


def step_ratio(sets: Sets) -> float | None:
    """Seconds of a QAT step in multiples of a float step, where it is largest."""
    pairs = [(each.fact(STEP_TIMES, "qat_ms"), each.fact(STEP_TIMES, "float_ms")) for each in sets]
    return max((qat / plain for qat, plain in pairs if qat and plain), default=None)


def export_seconds(sets: Sets) -> float | None:
    """Seconds to make the int8 file of the quickstart's width 16, the median."""
    wanted = [each for each in _of_family(sets, QUICKSTART) if "-w16-" in each.entry.name]
    found = sorted(seconds for each in wanted if (seconds := each.fact(rows.INT8, "export_seconds")) is not None)
    return found[len(found) // 2] if found else None


def _of_family(sets: Sets, family: str | None) -> Sets:
    return [each for each in sets if family is None or each.entry.family == family]


AIMS: tuple[Aim, ...] = (
    Aim("int8: mean loss over all sets", loss(rows.INT8, fmean), "at most", 0.1, "points"),
    Aim("int8: largest loss", loss(rows.INT8, max), "at most", 0.4, "points"),
    Aim("int8: its average minus the better rival's", below_better_rival, "at least", -0.1, "points"),
    Aim(
        "int8: quickstart trainings below float32 beyond noise, each interval by itself",
        interval_below(rows.INT8, rows.FLOAT32, QUICKSTART), "at most", 0, "sets",
    ),
    Aim(
        "int8: the same after Holm's correction",
        marked(rows.INT8, rows.FLOAT32, -1, family=QUICKSTART), "at most", 0, "sets",
    ),
    Aim(
        "QAT: average minus that of the control's int8, sets with intervals",
        average(rows.QAT, rows.CONTROL_INT8, tested=True), "at least", 0, "points",
    ),
    Aim(
        "QAT: sets above the control's int8 after Holm's correction",
        marked(rows.QAT, rows.CONTROL_INT8, 1, share=True), "at least", 100 / 3, "%",
    ),
    Aim("QAT: sets below the control's int8 after Holm", marked(rows.QAT, rows.CONTROL_INT8, -1), "at most", 0, "sets"),
    Aim("QAT: sets below the stock toolkit's after Holm", marked(rows.QAT, rows.STOCK_QAT, -1), "at most", 0, "sets"),
    Aim(
        "QAT: quickstart's mean minus that of the stock toolkit with its input range mended",
        average(rows.QAT, rows.MENDED_QAT, QUICKSTART), "at least", 0, "points",
    ),
    Aim("control: largest fall below its start on validation", control_below_start, "at most", 0.1, "points"),
    Aim("int4: weights, of int8's, quickstart", size_share("weight_bytes", None), "at most", 55, "%"),
    Aim("int4: file, of int8's, quickstart width 8", size_share("size_bytes", 8), "at most", 60, "%"),
    Aim("int4: file, of int8's, quickstart width 16", size_share("size_bytes", 16), "at most", 56, "%"),
    Aim("int4: mean loss over all sets", loss(rows.INT4, fmean), "at most", 1, "points"),
    Aim("qat_int4: mean loss over all sets", loss(rows.QAT_INT4, fmean), "at most", 0.5, "points"),
    Aim("time: a QAT step, in float steps, the largest", step_ratio, "at most", 1.6, "times"),
    Aim("time: making the int8 file, quickstart width 16, median", export_seconds, "at most", 1, "s"),
)  # fmt: skip
"""In the order of the page."""
