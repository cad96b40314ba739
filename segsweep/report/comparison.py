"""The comparison of a sweep's variants, from the store alone."""

import numbers
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from segsweep.devices.four_bit_kernels import kernel_remarks
from segsweep.errors import StoreError
from segsweep.quantization.training_kinds import TRAINING_KINDS
from segsweep.quantization.variants import VARIANTS
from segsweep.report.attributes import KeptDict, KeptList
from segsweep.report.comparison_rows import TAG_COLUMNS, baseline_sizes, measures, row, varying_settings
from segsweep.report.gain import quantization_aware_gain  # noqa: F401
from segsweep.report.independence import independent_by_run
from segsweep.report.older_scores import by_current_rules, older_remark
from segsweep.report.pareto import column_of, pareto_optimal
from segsweep.report.reasons import keep_reasons
from segsweep.report.references import differences_of, reference_remarks, references_of
from segsweep.report.remarks import class_remarks, finetune_remarks, remarks, training_remarks
from segsweep.report.scored_images import images_by_run
from segsweep.tracking import names
from segsweep.tracking.records import Member, RunRecord, read_members
from segsweep.tracking.store import Store

COLUMNS = (
    "data", "model", "width", "learning_rate", "seed", "quantization", "training_kind", "accuracy", "mean_iou",
    "mean_dice", "delta_accuracy", "delta_mean_iou", "agreement", "size_bytes", "size_ratio", "latency_p50_ms",
    "train_s", "status", "run_id", "validation_accuracy", "validation_mean_iou", "validation_mean_dice",
)  # fmt: skip
"""Columns that every comparison has, in this order; those of other varying settings stand after `quantization`. Scores
are of the test split, those whose name says so of the validation split."""
_LAST = ("status", "run_id", "validation_accuracy", "validation_mean_iou", "validation_mean_dice")

_KIND_ORDER = {name: index for index, name in enumerate(TRAINING_KINDS)}
_VARIANT_ORDER = {name: index for index, name in enumerate(VARIANTS)}
_INTERVALS = {
    "delta_mean_iou": (names.DELTA_MEAN_IOU_LOW, names.DELTA_MEAN_IOU_HIGH),
    "delta_accuracy": (names.DELTA_ACCURACY_LOW, names.DELTA_ACCURACY_HIGH),
    "gain_against_control": (names.GAIN_MEAN_IOU_LOW, names.GAIN_MEAN_IOU_HIGH),
}
"""Metrics with the ends of the intervals of differences."""
_GAINS = {
    "gain_mean_iou": (names.GAIN_MEAN_IOU_LOW, names.GAIN_MEAN_IOU_HIGH, names.GAIN_AGAINST),
    "taught_gain_mean_iou": (
        names.TAUGHT_GAIN_MEAN_IOU_LOW,
        names.TAUGHT_GAIN_MEAN_IOU_HIGH,
        names.TAUGHT_GAIN_AGAINST,
    ),
}
"""The same of gains, with the tag that says against which run."""


def find_sweep(store: Store, sweep_id: str | None) -> RunRecord:
    """The sweep with that run id (or the beginning of one), or the one started last.

    Raises:
        StoreError: there is none.
    """
    sweeps = store.of_kind(names.SWEEP)
    if not sweeps:
        raise StoreError(
            f"{store.location.shown}: no sweep in the experiment {store.experiment}; run one with `segsweep run -m ...`"
        )
    if sweep_id is None:
        return sweeps[0]
    matching = [sweep for sweep in sweeps if sweep.run_id.startswith(sweep_id)]
    if len(matching) != 1:
        what = "no sweep" if not matching else f"{len(matching)} sweeps"
        raise StoreError(
            f"--sweep {sweep_id}: {what} with that id in the experiment {store.experiment}; "
            f"the last is {sweeps[0].run_id}"
        )
    return matching[0]


@dataclass(frozen=True)
class Comparison:
    """A comparison and the runs it was made from, so that nobody has to ask the store for them again."""

    table: pd.DataFrame
    """As :func:`comparison` gives it."""
    runs: Mapping[str, RunRecord]
    """The runs of its rows by their ids; a row without a run has none. Of finished runs, all metrics."""


def comparison(store: Store, sweep: RunRecord) -> pd.DataFrame:
    """One row a variant of the sweep: the newest finished run of its key, else the newest failure.

    Columns are `COLUMNS`, with one more for every other setting that varies in the sweep, and `range` where a file has
    integer activations: by which rules their ranges were found; and `correction` where weights were changed before they
    became integers. What is known beside them are
    attributes of the table (`table.attrs`):

    - `delta_mean_iou`, `delta_accuracy`, `gain_against_control`: by run id the ends of the 95 % interval of that
      difference;
    - `gain_mean_iou`: by run id of a `qat_int8` the ends of the interval of its gain, and the run it is against;
    - `taught_gain_mean_iou`: the same against the control that was taught alike;
    - `independent`: by run id how many independent groups of test images its intervals rest on, see
      :class:`segsweep.report.independence.Independence`;
    - `test_data`, `validation_data`: by run id what stands for the images of the split; rows of different ones do not
      compare;
    - `references`: what the networks must beat, see :func:`segsweep.report.references.references_of`;
    - `against`: how they do, see :func:`segsweep.report.references.differences_of`;
    - `reasons`: why rows are not finished, see :func:`segsweep.report.reasons.reasons_of`;
    - `remarks`: sentences that must stand beside the table, as that the sweep is still running;
    - of a search, `objectives` and `pareto_optimal`: what it was after, and the run ids that no other beats.

    Raises:
        StoreError: the sweep's list of members is missing or damaged.
    """
    return compare(store, sweep).table


def compare(store: Store, sweep: RunRecord) -> Comparison:
    """The comparison of a sweep as :func:`comparison` describes it, with its runs."""
    members = _members(store, sweep)
    runs = by_current_rules(_newest_runs(store, members))
    sizes = baseline_sizes(runs.values())
    extra = varying_settings(members)
    rows = [row(member, runs.get(member.evaluation_key), sizes, extra) for member in members]
    rows.sort(key=_place)
    wanted = [name for name in sweep.tags.get(names.OBJECTIVES, "").split(",") if name]
    shown = map(column_of, wanted)
    said = [column for column in TAG_COLUMNS if any(each.get(column) not in (None, "none") for each in rows)]
    asked = [name for name in dict.fromkeys([*said, *measures(members), *shown]) if name not in COLUMNS]
    columns = [*COLUMNS[:6], *extra, *(name for name in COLUMNS[6:] if name not in _LAST), *asked, *_LAST]
    table = pd.DataFrame(rows, columns=columns)
    if rows and table["size_bytes"].notna().all():
        table = table.astype({"size_bytes": "int64"})
    table.attrs |= {**_attributes(runs.values()), "test_data": images_by_run(members, runs)}
    table.attrs["validation_data"] = images_by_run(members, runs, "validation")
    table.attrs["independent"] = independent_by_run(members, runs)
    keep_reasons(table, [each["reason"] for each in rows], [*COLUMNS[:6], *extra, "training_kind"])
    table.attrs["references"] = references_of(store, sweep, runs.values())
    table.attrs["against"] = differences_of(runs.values())
    sentences = [*remarks(sweep, table), *reference_remarks(table), *class_remarks(runs.values())]
    sentences += [*kernel_remarks(runs.values()), *training_remarks(store, runs.values())]
    sentences += finetune_remarks(runs.values())
    table.attrs["remarks"] = KeptList([*sentences, *older_remark(runs.values())])
    if wanted:
        optimal = pareto_optimal(table, wanted)
        table.attrs["objectives"] = wanted
        table.attrs["pareto_optimal"] = KeptList(table.loc[optimal, "run_id"])
    return Comparison(table, {run.run_id: run for run in runs.values()})


def _members(store: Store, sweep: RunRecord) -> list[Member]:
    """What a sweep lists; nothing where it was stopped, or is, before it listed anything."""
    content = store.artifacts.read(sweep, names.MEMBERS_FILE)
    if content is None:
        if names.MEMBERS_FILE not in sweep.sha256 and sweep.status != "FINISHED":
            return []
        raise StoreError(f"sweep {sweep.run_id}: its {names.MEMBERS_FILE} is missing or damaged; run the sweep again")
    return read_members(content)


def _newest_runs(store: Store, members: Sequence[Member]) -> dict[str, RunRecord]:
    """For each evaluation key of `members` the newest finished variant run, else the newest other one."""
    newest: dict[str, RunRecord] = {}
    keys = {member.evaluation_key for member in members}
    for run in store.with_keys(names.VARIANT, names.EVALUATION_KEY, keys) if keys else ():
        key = run.tags[names.EVALUATION_KEY]
        known = newest.get(key)
        if known is None or (run.is_finished and not known.is_finished):
            newest[key] = run
    return newest


def _attributes(runs: Collection[RunRecord]) -> dict[str, KeptDict]:
    """What is known of finished runs beside the columns, by run id."""
    found: dict[str, KeptDict] = {name: KeptDict() for name in (*_INTERVALS, *_GAINS)}
    for run in runs:
        if not run.is_finished:
            continue
        for name, (low, high) in _INTERVALS.items():
            if low in run.metrics and high in run.metrics:
                found[name][run.run_id] = (run.metrics[low], run.metrics[high])
        for name, (low, high, against) in _GAINS.items():
            if low in run.metrics and high in run.metrics:
                found[name][run.run_id] = (run.metrics[low], run.metrics[high], run.tags.get(against))
    return found


def _place(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Where a row stands among the others: by its settings, then as trainings and variants are listed."""
    return (
        *(_sortable(row[column]) for column in ("data", "model", "width", "learning_rate", "seed")),
        _KIND_ORDER.get(str(row["training_kind"]), len(_KIND_ORDER)),
        _VARIANT_ORDER.get(str(row["quantization"]), len(_VARIANT_ORDER)),
    )


def _sortable(value: Any) -> tuple[int, Any]:
    return (0, value) if isinstance(value, numbers.Real) else (1, str(value))
