"""The comparison of a sweep's variants, from the store alone."""

import json
import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from segsweep.errors import StoreError
from segsweep.quantization.variants import VARIANTS
from segsweep.report.pareto import pareto_optimal
from segsweep.resolving import FINETUNE_LEARNING_RATE_FACTOR
from segsweep.tracking import names
from segsweep.tracking.records import Member, RunRecord, read_members
from segsweep.tracking.store import Store

COLUMNS = (
    "data", "model", "width", "learning_rate", "seed", "quantization", "training_kind", "accuracy", "mean_iou",
    "mean_dice", "delta_accuracy", "delta_mean_iou", "agreement", "size_bytes", "size_ratio", "latency_p50_ms",
    "train_s", "status", "run_id",
)  # fmt: skip
"""Columns that every comparison has, in this order; those of other varying settings stand after `quantization`."""

_SETTING_COLUMNS = {
    "data": "data.name",
    "model": "model.name",
    "width": "model.width",
    "learning_rate": "training.learning_rate",
    "seed": "seed",
    "quantization": "quantization.name",
}
METRIC_COLUMNS = {
    "accuracy": names.ACCURACY,
    "mean_iou": names.MEAN_IOU,
    "mean_dice": names.MEAN_DICE,
    "delta_accuracy": names.DELTA_ACCURACY,
    "delta_mean_iou": names.DELTA_MEAN_IOU,
    "agreement": names.AGREEMENT,
    "size_bytes": names.SIZE_BYTES,
    "latency_p50_ms": names.LATENCY_P50,
    "train_s": names.TRAIN_SECONDS,
}
_FINETUNE_RATE = "quantization.learning_rate"
_KIND_ORDER = {"float": 0, "qat": 1, "finetune": 2}


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

    Columns are `COLUMNS`, with one more for every other setting that varies in the sweep. The attribute
    `delta_mean_iou` of the table holds the ends of that difference's interval by run id; for a search, `objectives`
    and `pareto_optimal` hold what it was after and the run ids that no other beats.

    Raises:
        StoreError: the sweep's list of members is missing.
    """
    return compare(store, sweep).table


def compare(store: Store, sweep: RunRecord) -> Comparison:
    """The comparison of a sweep as :func:`comparison` describes it, with its runs."""
    content = store.artifacts.read(sweep, names.MEMBERS_FILE)
    if content is None:
        raise StoreError(f"sweep {sweep.run_id}: its {names.MEMBERS_FILE} is missing or damaged; run the sweep again")
    members = read_members(content)
    runs = _newest_runs(store, members)
    sizes = _baseline_sizes(runs.values())
    extra = _varying_settings(members)
    rows = [_row(member, runs.get(member.evaluation_key), sizes, extra) for member in members]
    columns = [*COLUMNS[:6], *extra, *COLUMNS[6:]]
    table = pd.DataFrame(rows, columns=columns)
    table.attrs["delta_mean_iou"] = {run.run_id: ends for run in runs.values() if (ends := _interval(run)) is not None}
    wanted = [name for name in sweep.tags.get(names.OBJECTIVES, "").split(",") if name]
    if wanted:
        optimal = pareto_optimal(table, wanted)
        table.attrs["objectives"] = wanted
        table.attrs["pareto_optimal"] = list(table.loc[optimal, "run_id"])
    rank = {name: index for index, name in enumerate(VARIANTS)}
    order = sorted(
        table.index,
        key=lambda index: (
            *(_sortable(table.at[index, column]) for column in ("data", "model", "width", "learning_rate", "seed")),
            _KIND_ORDER.get(str(table.at[index, "training_kind"]), len(_KIND_ORDER)),
            rank.get(str(table.at[index, "quantization"]), len(rank)),
        ),
    )
    return Comparison(table.loc[order].reset_index(drop=True), {run.run_id: run for run in runs.values()})


def quantization_aware_gain(table: pd.DataFrame) -> pd.DataFrame:
    """What quantization-aware training gained, for each training that has one.

    Its gain is against the int8 file of a float fine-tune of the same budget: a few more epochs alone may help as
    much, so the difference to the older float training says nothing about quantization.
    """
    settings = [
        name for name in table.columns[: table.columns.get_loc("training_kind")]
        if name != "quantization" and not name.startswith("quantization.calibration.")
    ]  # fmt: skip
    rows = []
    finished = table[table["status"] == "FINISHED"]
    for _, qat in finished[finished["training_kind"] == "qat"].iterrows():
        same = finished[[_equal(row, qat, settings) for _, row in finished.iterrows()]]
        row = {name: qat[name] for name in settings}
        for label, kind, quantization in (
            ("int8", "float", "int8"),
            ("finetune float32", "finetune", "float32"),
            ("finetune int8", "finetune", "int8"),
        ):
            found = same[(same["training_kind"] == kind) & (same["quantization"] == quantization)]
            row[label] = found["mean_iou"].iloc[0] if len(found) else None
        row["qat_int8"] = qat["mean_iou"]
        row["gain"] = qat["mean_iou"] - row["finetune int8"] if row["finetune int8"] is not None else None
        rows.append(row)
    return pd.DataFrame(rows)


def _equal(row: pd.Series, other: pd.Series, settings: Sequence[str]) -> bool:
    """Whether all settings agree that both rows use."""
    return all(row[name] == other[name] or pd.isna(row[name]) for name in settings)


def _newest_runs(store: Store, members: Sequence[Member]) -> dict[str, RunRecord]:
    """For each evaluation key of `members` the newest finished variant run, else the newest other one."""
    newest: dict[str, RunRecord] = {}
    keys = {member.evaluation_key for member in members}
    for run in store.with_keys(names.VARIANT, names.EVALUATION_KEY, keys):
        key = run.tags[names.EVALUATION_KEY]
        known = newest.get(key)
        if known is None or (run.is_finished and not known.is_finished):
            newest[key] = run
    return newest


def _baseline_sizes(runs: Iterable[RunRecord]) -> dict[str, float]:
    """Bytes of the baseline of each float training, by the training's key."""
    return {
        _float_training(run): run.metrics[names.SIZE_BYTES]
        for run in runs
        if run.is_finished
        and run.tags.get(names.TRAINING_KIND) == "float"
        and run.params.get(_SETTING_COLUMNS["quantization"]) == "float32"
        and names.SIZE_BYTES in run.metrics
    }


def _float_training(run: RunRecord) -> str:
    """Key of the float training that a variant descends from."""
    return run.tags.get(names.PARENT_TRAINING_KEY) or run.tags.get(names.TRAINING_KEY, "")


def _varying_settings(members: Sequence[Member]) -> list[str]:
    """Settings that vary among the members and have no column yet; one that some do not use does not vary by that."""
    values: dict[str, set[str]] = {}
    for member in members:
        for name, value in member.settings.items():
            values.setdefault(name, set()).add(json.dumps(value))
    fixed = set(_SETTING_COLUMNS.values())
    if all(_follows(member) for member in members):
        fixed.add(_FINETUNE_RATE)
    return [name for name, found in values.items() if len(found) > 1 and name not in fixed]


def _follows(member: Member) -> bool:
    """Whether a fine-tune's learning rate is what it is where nobody sets it."""
    rate = member.settings.get(_FINETUNE_RATE)
    return rate is None or math.isclose(
        rate, member.settings[_SETTING_COLUMNS["learning_rate"]] * FINETUNE_LEARNING_RATE_FACTOR
    )


def _row(member: Member, run: RunRecord | None, sizes: dict[str, float], extra: Sequence[str]) -> dict[str, Any]:
    row: dict[str, Any] = {column: member.settings.get(name) for column, name in _SETTING_COLUMNS.items()}
    row |= {name: _plain(member.settings.get(name)) for name in extra}
    row["training_kind"] = member.training_kind
    made = run.status if run is not None else None
    row["status"] = made if made == "FINISHED" else member.status or made or "PENDING"
    row["run_id"] = run.run_id if run is not None else member.run_id
    if run is not None and run.is_finished:
        row |= {column: run.metrics.get(name) for column, name in METRIC_COLUMNS.items()}
        baseline_size = sizes.get(_float_training(run))
        if baseline_size and row["size_bytes"]:
            row["size_ratio"] = row["size_bytes"] / baseline_size
        row["size_bytes"] = int(row["size_bytes"]) if row["size_bytes"] is not None else None
    return row


def _plain(value: Any) -> Any:
    """A setting as a cell: lists as text."""
    return json.dumps(value) if isinstance(value, list | dict) else value


def _interval(run: RunRecord) -> tuple[float, float] | None:
    """The ends of the interval of the difference in mean IoU to the baseline."""
    low, high = run.metrics.get(names.DELTA_MEAN_IOU_LOW), run.metrics.get(names.DELTA_MEAN_IOU_HIGH)
    return None if low is None or high is None else (low, high)


def _sortable(value: Any) -> tuple[int, Any]:
    return (0, value) if isinstance(value, numbers.Real) else (1, str(value))
