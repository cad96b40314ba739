"""How sure the differences of a comparison are, in sentences that can stand in a text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from segsweep.evaluation.bootstrap import is_noise
from segsweep.report.formats.cells import cell_text, title
from segsweep.report.gain import gain_intervals
from segsweep.report.independence import groups_sentences
from segsweep.report.seeds import seed_summary
from segsweep.report.teaching import teaching_sentences
from segsweep.tracking import names

_SIGNIFICANT = 0.05
_POINTS = 100
"""A point is a hundredth."""
_SMALLEST = 0.005
"""Points that are shown as something."""
_CONTROL = " of the float fine-tune"
_OWNERS = {"finetune": _CONTROL, names.ENSEMBLE: " of the ensemble"}
"""Whose file a row is of, where it is not that of a training alone, by its training kind."""
_GAIN = "Quantization-aware training"
_GAIN_COLUMN = "gain_mean_iou"
_FEW_SEEDS = 5


@dataclass(frozen=True)
class Finding:
    """A difference in mean IoU and how sure it is."""

    subject: str
    """`int8`, `int8 of the float fine-tune`, `Quantization-aware training`."""
    reference: str
    """What it is against: `float32`, or the int8 file of the control."""
    settings: str
    """What else tells its row from others: `width 8, rate 0.001`; empty where nothing does."""
    points: float
    """The difference in points, hundredths of mean IoU; over several seeds the mean."""
    low: float
    """Lower end of its 95 % interval in points; NaN where it has none."""
    high: float
    seeds: int
    p_value: float
    """Of the paired test over the seeds; NaN of a single seed."""
    p_corrected: float
    """The same, corrected for all the comparisons of the table."""
    training: str = ""
    """What of the settings tells its training from others."""
    too_few: int | None = None
    """How many independent groups of test images there are, where they are too few for an interval."""

    @property
    def verdict(self) -> str:
        """`gains`, `loses`, `noise` where 0 is in the interval as it is shown, `equal` where no digit that is shown
        differs, or `unknown` where nothing says how sure it is."""
        if abs(self.points) < _SMALLEST and not (self.low <= -_SMALLEST or self.high >= _SMALLEST):
            return "equal"
        if self.low != self.low:
            return "unknown"
        if is_noise(self.low / _POINTS, self.high / _POINTS):
            return "noise"
        return "gains" if self.points > 0 else "loses"

    @property
    def may_be_chance(self) -> bool:
        """Whether it is beyond noise by itself, but not among all the comparisons."""
        return self.verdict in ("gains", "loses") and self.p_corrected > _SIGNIFICANT

    @property
    def sentence(self) -> str:
        """All of it, as it can stand in a text."""
        what = f"{self.subject} with {self.settings}" if self.settings else self.subject
        return f"{what} {_said(self)}."


def findings(table: pd.DataFrame) -> list[Finding]:
    """Every difference of a comparison to its baseline, and what quantization-aware training gained.

    Rows that differ in their seed alone are one finding.
    """
    summary = seed_summary(table)
    alone = summary[summary["training_kind"] != names.ENSEMBLE]
    varying = [
        str(name)
        for name in summary.columns[: summary.columns.get_loc("training_kind")]
        if name != "quantization" and alone[name].nunique() > 1
    ]
    ends, few = _single_ends(table), _too_few(table)
    found = []
    rows: list[dict[Any, Any]] = summary.to_dict("records")
    for place, row in enumerate(rows):
        kind = row["training_kind"]
        # The name of an ensemble's model says that it is one, and no more.
        telling = [name for name in varying if pd.notna(row[name]) and not (kind == names.ENSEMBLE and name == "model")]
        words = {name: f"{title(name)} {cell_text(name, row[name])}" for name in telling}
        settings = ", ".join(words.values())
        training = ", ".join(word for name, word in words.items() if not name.startswith("quantization."))
        is_baseline = row["quantization"] == "float32" and row["training_kind"] == "float"
        if not is_baseline and pd.notna(row["delta_mean_iou_mean"]):
            subject = row["quantization"] + _OWNERS.get(kind, "")
            reference = "float32 of its best member" if kind == names.ENSEMBLE else "float32"
            named = (subject, reference, settings)
            found.append(
                _finding(row, named, training, "delta_mean_iou", ends["delta_mean_iou"].get(place), few.get(place))
            )
        if pd.notna(row["gain_mean_iou_mean"]):
            named = (_GAIN, "the int8 file of its control", settings)
            found.append(_finding(row, named, training, _GAIN_COLUMN, ends[_GAIN_COLUMN].get(place), few.get(place)))
    return found


def verdicts(table: pd.DataFrame) -> list[str]:
    """A sentence for each difference of a comparison: `int8 with width 8 loses 0.30 points of mean IoU (...)`."""
    return [finding.sentence for finding in findings(table)]


def overall(table: pd.DataFrame) -> list[str]:
    """A sentence for each variant, of all the trainings that it was exported from, and at last what to make of them."""
    found = findings(table)
    by_subject: dict[str, list[Finding]] = {}
    for finding in found:
        by_subject.setdefault(finding.subject, []).append(finding)
    gain = by_subject.pop(_GAIN, None)
    if gain is not None:
        # The control's int8 file is what it is against.
        by_subject.pop(f"int8{_CONTROL}", None)
        by_subject[_GAIN] = gain
    sentences = [
        some[0].sentence if len(some) == 1 else f"{subject} {_joined(some)}." for subject, some in by_subject.items()
    ]
    return [*sentences, *teaching_sentences(table), *_caveats(found, table)]


def _finding(
    row: Mapping[str, Any],
    named: tuple[str, str, str],
    training: str,
    value: str,
    single: tuple[float, float] | None,
    too_few: int | None,
) -> Finding:
    """The finding about a row of the summary over seeds; of a single seed with the logged interval."""
    seeds = int(row["n_seeds"])
    low, high = (row[f"{value}_low"], row[f"{value}_high"]) if seeds > 1 else single or (float("nan"),) * 2
    points, low, high = (_POINTS * float(each) for each in (row[f"{value}_mean"], low, high))
    prefix = "gain_" if value == _GAIN_COLUMN else ""
    p_value, p_corrected = (float(row[f"{prefix}{name}"]) for name in ("p_value", "p_corrected"))
    return Finding(*named, points, low, high, seeds, p_value, p_corrected, training, too_few if low != low else None)


def _too_few(table: pd.DataFrame) -> dict[int, int]:
    """How many independent groups of test images there are, by the place of the row in the summary over seeds, where
    they are too few for an interval."""
    known = table.attrs.get("independent", {})
    return {place: known[run].groups for place, run in _places(table) if run in known and known[run].too_few}


def _places(table: pd.DataFrame) -> list[tuple[int, str]]:
    """The finished rows: their places in the summary over seeds, and their run ids."""
    finished = table[table["status"] == "FINISHED"]
    settings = table.columns[: table.columns.get_loc("training_kind")]
    keys = [*(name for name in settings if name != "seed"), "training_kind"]
    places = finished.groupby(keys, sort=False, dropna=False).ngroup()
    return [(int(place), str(run)) for place, run in zip(places, finished["run_id"], strict=True)]


def _single_ends(table: pd.DataFrame) -> dict[str, dict[int, tuple[float, float]]]:
    """The logged intervals, by the place of the row in the summary over seeds."""
    logged = {"delta_mean_iou": table.attrs.get("delta_mean_iou", {}), _GAIN_COLUMN: gain_intervals(table)}
    return {
        value: {place: known[run] for place, run in _places(table) if run in known} for value, known in logged.items()
    }


def _said(finding: Finding) -> str:
    over = f" on average of {finding.seeds} seeds" if finding.seeds > 1 else ""
    test = f"; paired t-test p {_p(finding.p_value)}, corrected p {_p(finding.p_corrected)}" if over else ""
    chance = ", which among so many comparisons may be chance" if finding.may_be_chance else ""
    interval = f"95 % interval {_signed(finding.low)} to {_signed(finding.high)}{test}"
    amount = f"{abs(finding.points):.2f} points of mean IoU"
    against = f"against {finding.reference}"
    return {
        "gains": f"gains {amount} {against}{over} ({interval}){chance}",
        "loses": f"loses {amount} {against}{over} ({interval}){chance}",
        "noise": f"is within noise of {finding.reference}: {_signed(finding.points)} points of mean IoU{over} "
        f"({interval})",
        "equal": f"equals {finding.reference} to less than 0.01 points of mean IoU{over}",
        "unknown": f"differs from {finding.reference} by {_signed(finding.points)} points of mean IoU{over}; "
        + (
            "how sure that is was not measured"
            if finding.too_few is None
            else f"too few independent images ({finding.too_few}) for an interval"
        ),
    }[finding.verdict]


def _joined(some: Sequence[Finding]) -> str:
    """What several findings of a variant say together."""
    reference = some[0].reference
    words = {
        "loses": f"loses against {reference} beyond noise",
        "gains": f"gains against {reference} beyond noise",
        "noise": f"is within noise of {reference}",
        "equal": f"equals {reference} to less than 0.01 points of mean IoU",
        "unknown": f"differs from {reference}, within noise or not,",
    }
    one_each = len({finding.training for finding in some}) == len(some)
    noun = "trainings" if one_each and all(finding.seeds == 1 for finding in some) else "settings"
    parts = []
    for verdict, text in words.items():
        points = [finding.points for finding in some if finding.verdict == verdict]
        if points:
            share = f"all {len(some)}" if len(points) == len(some) else f"{len(points)} of {len(some)}"
            amount = f" ({_range(points)})" if verdict != "equal" else ""
            parts.append(f"{text} in {share} {noun}{amount}")
    return ", ".join(parts)


def _range(points: Sequence[float]) -> str:
    low, high = _signed(min(points)), _signed(max(points))
    return f"{low} points" if low == high else f"{low} to {high} points"


def _caveats(found: Sequence[Finding], table: pd.DataFrame) -> list[str]:
    single = sum(finding.seeds == 1 and finding.low == finding.low for finding in found)
    seeds = [finding.seeds for finding in found if finding.seeds > 1]
    caveats = []
    if single:
        chance = f"; of {single} comparisons about {0.05 * single:.0f} would look real by chance" if single > 9 else ""
        caveats.append(
            "A point is 0.01 of mean IoU. The intervals say what other test images would change, not what another "
            "training would; a sweep with seed=1,2,3 shows that. They promise 95 %; in simulations they held the truth "
            "in 93 to 97 % of the cases from 12 independent groups on, and less often where few groups make most of a "
            f"difference{chance}."
        )
    if found:
        caveats += groups_sentences(table)
    if seeds:
        corrected = (
            f"; corrected p-values are for all {len(seeds)} comparisons together (Holm)" if len(seeds) > 1 else ""
        )
        few = " So few seeds show large differences only." if min(seeds) < _FEW_SEEDS else ""
        caveats.append(
            f"The intervals over seeds are Student's t, of what another training would change{corrected}.{few}"
        )
    return caveats


def _signed(points: float) -> str:
    text = f"{points:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text


def _p(value: float) -> str:
    return f"= {value:.2g}" if value >= 0.001 else "< 0.001"
