"""What must be said beside a comparison, or it would mislead: that it is not complete, or that rows do not compare."""

import json
from collections.abc import Iterable, Sequence

import pandas as pd

from segsweep.report.comparison_rows import DELETED, PENDING, RUNNING
from segsweep.report.scored_images import images_of
from segsweep.tracking import names
from segsweep.tracking.liveness import maker_is_gone
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store

_MOST_CLASSES = 8
"""Classes that a remark names."""
_MOST_TRAININGS = 4
"""Trainings that a remark names."""


def remarks(sweep: RunRecord, table: pd.DataFrame) -> list[str]:
    """Sentences about a comparison, most important first; none where it is complete and all of it compares."""
    found = [*_state(sweep, table), *_deleted(table), *_data(table)]
    notes = json.loads(sweep.tags.get(names.DATA_NOTES, "[]"))
    found += [f"Of the data: {note}." for note in notes]
    if sweep.tags.get(names.STANDIN) == "true":
        found.append("The data was generated in place of a data set: the scores say nothing about the real one.")
    return found


def _state(sweep: RunRecord, table: pd.DataFrame) -> Sequence[str]:
    done, rows = int((table["status"] == "FINISHED").sum()), len(table)
    share = f"{done} of {rows} rows are done" if rows else "it has listed no rows yet"
    if sweep.status == "RUNNING":
        if rows and not table["status"].isin([PENDING, RUNNING]).any():
            return []
        if maker_is_gone(sweep):
            return [f"The sweep has not ended, but its process is gone: {share}. The same command goes on."]
        return [f"The sweep is still running: {share}."]
    if not rows:
        reason = sweep.tags.get(names.FAILURE)
        why = f" ({reason})" if reason else ""
        return [f"The sweep has no rows: it ended as {sweep.status}{why} before it had listed any."]
    if table["status"].isin([PENDING, RUNNING]).any():
        return [f"The sweep ended as {sweep.status} before all was done: {share}. The same command does the rest."]
    return [] if done or (table["status"] == DELETED).all() else ["No row of the sweep was made; why stands with each."]


def _deleted(table: pd.DataFrame) -> Sequence[str]:
    count = int((table["status"] == DELETED).sum())
    if not count:
        return []
    whose = "The run of 1 row was" if count == 1 else f"The runs of {count} rows were"
    return [f"{whose} deleted in MLflow; the same command makes what is missing again."]


def _data(table: pd.DataFrame) -> Sequence[str]:
    data = images_of(table)
    data = data[data != ""]
    if data.nunique() < 2:
        return []
    counts = data.value_counts(sort=False)
    return [
        f"The rows were scored on {len(counts)} different sets of test images "
        f"({', '.join(f'{count} rows' if count > 1 else '1 row' for count in counts)}). "
        "Scores of different ones do not compare: differences, the best and the Pareto-optimal are among rows of one."
    ]


def class_remarks(runs: Iterable[RunRecord]) -> list[str]:
    """Which classes no test mask holds, so that the means leave them out, and how often they are predicted."""
    found: dict[tuple[str, ...], float] = {}
    for run in runs:
        if not run.is_finished or names.ABSENT_CLASS_SHARE not in run.metrics:
            continue
        classes = json.loads(run.tags.get(names.CLASSES, "[]"))
        metrics = names.class_metrics(names.IOU, classes)
        absent = tuple(name for name, metric in zip(classes, metrics, strict=True) if metric not in run.metrics)
        if absent:
            found[absent] = max(found.get(absent, 0.0), run.metrics[names.ABSENT_CLASS_SHARE])
    remarks = []
    for absent, share in found.items():
        more = f" and {len(absent) - _MOST_CLASSES} more" if len(absent) > _MOST_CLASSES else ""
        predicted = f"; up to {share:.2%} of the test pixels are predicted as such a class" if share else ""
        remarks.append(
            f"Classes that occur in no test mask are left out of the means ({', '.join(absent[:_MOST_CLASSES])}{more})"
            f"{predicted}."
        )
    return remarks


def training_remarks(store: Store, runs: Iterable[RunRecord]) -> list[str]:
    """Which float trainings ended while validation still rose, so that more epochs alone would change the scores."""
    keys = {
        run.tags[names.TRAINING_KEY]
        for run in runs
        if run.tags.get(names.TRAINING_KIND) == "float" and names.TRAINING_KEY in run.tags
    }
    newest: dict[str, RunRecord] = {}
    for run in store.with_keys(names.TRAINING, names.TRAINING_KEY, keys) if keys else ():
        if run.is_finished:
            newest.setdefault(run.tags[names.TRAINING_KEY], run)
    rising = sorted((run for run in newest.values() if names.LATE_RISE in run.metrics), key=lambda run: run.name)
    if not rising:
        return []
    named = ", ".join(f"{run.name}: +{100 * run.metrics[names.LATE_RISE]:.1f}" for run in rising[:_MOST_TRAININGS])
    more = f" and {len(rising) - _MOST_TRAININGS} more" if len(rising) > _MOST_TRAININGS else ""
    which = f"{len(rising)} of {len(newest)} float trainings" if len(newest) > 1 else "the float training"
    return [
        f"Validation still rose in the last fifth of the epochs of {which} (points of mean IoU; {named}{more}). More "
        "epochs alone would change the scores, so comparisons of quantized files with float32, above all after "
        "fine-tunes, may be confounded. Train longer (training.epochs) or in smaller batches (training.batch_size)."
    ]


def finetune_remarks(runs: Iterable[RunRecord]) -> list[str]:
    """Which files are what their fine-tune began at, since it made them no better on validation images."""
    kept = sorted({run.name for run in runs if run.is_finished and run.tags.get(names.KEEPS_START) == "true"})
    if not kept:
        return []
    named = ", ".join(kept[:_MOST_TRAININGS])
    more = f" and {len(kept) - _MOST_TRAININGS} more" if len(kept) > _MOST_TRAININGS else ""
    return [
        f"Fine-tuning did not raise the score on the validation images of {named}{more}: the file is the post-training "
        "file that the fine-tune began at."
    ]
