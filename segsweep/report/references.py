"""The references of a comparison: the sentence under its table, and the remark on the rows that do not beat them."""

import json
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pandas as pd

from segsweep.evaluation.bootstrap import DECIMALS
from segsweep.quantization.training_kinds import CONTROL
from segsweep.references.table import REFERENCES
from segsweep.report.attributes import KeptDict, KeptList
from segsweep.report.formats.cells import cell_text, settings_of, title
from segsweep.report.trainings import training_labels
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store

_SCORES = ("accuracy", "mean_iou")
_MOST_NAMED = 4
"""Rows that a remark names."""


@dataclass(frozen=True)
class ShownReference:
    """A reference and what it scores on the test images."""

    name: str
    """As in `segsweep.references.table`."""
    accuracy: float
    mean_iou: float
    run_id: str
    rows: frozenset[str]
    """Run ids of the rows on the same data."""

    @property
    def title(self) -> str:
        """What it is, for people."""
        return REFERENCES[self.name].title


def references_of(store: Store, sweep: RunRecord, runs: Collection[RunRecord]) -> KeptList:
    """The references that a sweep lists, of the data of `runs`; those of each data together.

    Runs that are not there any more are left out, and so is what a newer version lists.
    """
    keys: list[str] = []
    with suppress(ValueError, TypeError):
        keys = [str(key) for key in json.loads(sweep.tags.get(names.REFERENCES, "[]"))]
    rows: dict[str, set[str]] = {}
    for run in runs:
        if run.is_finished:
            rows.setdefault(run.tags.get(names.DATA_FINGERPRINT, ""), set()).add(run.run_id)
    newest: dict[str, RunRecord] = {}
    for run in store.with_keys(names.REFERENCE, names.REFERENCE_KEY, keys) if keys else ():
        if run.is_finished and run.tags.get(names.REFERENCE_NAME) in REFERENCES:
            newest.setdefault(run.tags[names.REFERENCE_KEY], run)
    return KeptList(
        ShownReference(
            name=run.tags[names.REFERENCE_NAME],
            accuracy=run.metrics.get(names.ACCURACY, float("nan")),
            mean_iou=run.metrics.get(names.MEAN_IOU, float("nan")),
            run_id=run.run_id,
            rows=frozenset(rows[run.tags[names.DATA_FINGERPRINT]]),
        )
        for run in (newest[key] for key in keys if key in newest)
        if run.tags.get(names.DATA_FINGERPRINT) in rows
    )


def differences_of(runs: Collection[RunRecord]) -> KeptDict:
    """By run id, name of a reference and score: the lower end of the interval of the run's difference to it.

    None where no interval could be made.
    """
    return KeptDict(
        {
            (run.run_id, name, score): run.metrics.get(f"{names.against(name, score)}_low")
            for run in runs
            for name in REFERENCES
            for score in _SCORES
            if run.is_finished and names.against(name, score) in run.metrics
        }
    )


def reference_lines(table: pd.DataFrame, decimals: int | None = None) -> list[str]:
    """What stands under a table, a sentence for each data that its rows are of; none where nothing is known."""
    found = _by_data(table)
    return [
        f"For comparison{_data_words(table, rows) if len(found) > 1 else ''}: "
        + "; ".join(_scored(reference, decimals) for reference in references)
        + "."
        for rows, references in found.items()
    ]


def reference_remarks(table: pd.DataFrame) -> list[str]:
    """What must be said of the rows, controls aside, that do not beat a reference beyond noise: a sentence each.

    Scores in which the same rows do not beat it are named together.
    """
    asked = table[(table["status"] == "FINISHED") & (table["training_kind"] != CONTROL)]
    known = table.attrs.get("against", {})
    remarks = []
    for name, reference in REFERENCES.items():
        found: dict[tuple[_Verdict, tuple[str, ...]], list[str]] = {}
        compared = 0
        for score in _SCORES:
            low = {run: known[run, name, score] for run in asked["run_id"] if (run, name, score) in known}
            compared = max(compared, len(low))
            for verdict in (_NOT_BETTER, _UNKNOWN):
                rows = tuple(run for run, end in low.items() if verdict.holds(end))
                if rows:
                    found.setdefault((verdict, rows), []).append(title(score))
        remarks += [
            _remark(asked, verdict, rows, compared, reference.noun, " and ".join(scores))
            for (verdict, rows), scores in found.items()
        ]
    return remarks


@dataclass(frozen=True)
class _Verdict:
    """What the lower end of an interval says."""

    holds: Callable[[float | None], bool]
    of_some: str
    of_all: str
    because: str = ""


_NOT_BETTER = _Verdict(
    lambda end: end is not None and round(end, DECIMALS) <= 0,
    "do not beat {words} beyond noise",
    "No row beats {words} beyond noise",
)
_UNKNOWN = _Verdict(
    lambda end: end is None,
    "cannot be told apart from {words}",
    "No row can be told apart from {words}",
    "; the test images are too few to say",
)


def _remark(table: pd.DataFrame, verdict: _Verdict, rows: Sequence[str], compared: int, words: str, scores: str) -> str:
    """The sentence about some of the rows that were compared, of which it names the first."""
    if len(rows) == compared:
        return f"{verdict.of_all.format(words=words)} in {scores}{verdict.because}."
    said = verdict.of_some.format(words=words)
    return f"{len(rows)} of {compared} rows {said} in {scores}{verdict.because}: {_named(table, rows)}."


def _by_data(table: pd.DataFrame) -> dict[frozenset[str], list[ShownReference]]:
    """The references of the rows of a table, or of a part of one, by the run ids of the rows on one data."""
    shown = frozenset(table["run_id"])
    found: dict[frozenset[str], list[ShownReference]] = {}
    for reference in table.attrs.get("references", ()):
        rows = reference.rows & shown
        if rows:
            found.setdefault(rows, []).append(reference)
    return found


def _scored(reference: ShownReference, decimals: int | None) -> str:
    scores = ((score, getattr(reference, score)) for score in _SCORES)
    return f"{reference.title}: " + ", ".join(
        f"{title(name)} {cell_text(name, value, decimals)}" for name, value in scores
    )


def _data_words(table: pd.DataFrame, rows: frozenset[str]) -> str:
    """What tells the data of some rows from that of the others."""
    part = table[table["run_id"].isin(rows)]
    telling = [
        name
        for name in settings_of(table)
        if (name == "data" or name.startswith("data."))
        and table[name].nunique(dropna=False) > 1
        and part[name].nunique(dropna=False) == 1
    ]
    words = ", ".join(f"{title(name)} {cell_text(name, part[name].iloc[0]) or 'none'}" for name in telling)
    return f" ({words})" if words else f" ({len(part)} rows)"


def _named(table: pd.DataFrame, rows: Sequence[str]) -> str:
    """The first of some rows by their names."""
    part = table[table["run_id"].isin(rows)]
    labels = training_labels(table)
    several = labels.nunique() > 1
    words = [
        f"{variant} ({label})" if several else str(variant)
        for variant, label in zip(part["quantization"], labels[part.index], strict=True)
    ]
    more = f" and {len(words) - _MOST_NAMED} more" if len(words) > _MOST_NAMED else ""
    return ", ".join(words[:_MOST_NAMED]) + more
