"""Scores that versions before 0.2 logged, by today's rules as far as the logged metrics allow.

Their means were over the classes present in truth or prediction, so they changed with what a file predicts. Each
class's own score and its recall were logged; a class has a recall where it occurs in the truth, so today's means follow
from them. Their intervals took patches of one image for independent images and are left out.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

from segsweep.tracking import names
from segsweep.tracking.records import RunRecord

_MEANS = {
    names.MEAN_IOU: names.IOU,
    names.MEAN_DICE: names.DICE,
    names.MACRO_F1: names.DICE,
    names.MEAN_PRECISION: names.PRECISION,
    names.MEAN_RECALL: names.RECALL,
    names.BOUNDARY_IOU: names.BOUNDARY_IOU,
}
_DELTAS = {names.DELTA_MEAN_IOU: names.MEAN_IOU, names.DELTA_ACCURACY: names.ACCURACY}
_INTERVALS = (
    names.DELTA_MEAN_IOU_LOW,
    names.DELTA_MEAN_IOU_HIGH,
    names.DELTA_ACCURACY_LOW,
    names.DELTA_ACCURACY_HIGH,
    names.GAIN_MEAN_IOU_LOW,
    names.GAIN_MEAN_IOU_HIGH,
    names.GAIN_ACCURACY_LOW,
    names.GAIN_ACCURACY_HIGH,
)


TRAINED_AGAIN = (
    "a training is made again only where its augmentation, its data or the score that chooses its epoch changed"
)
"""What going on with an older store costs."""


def is_older(run: RunRecord) -> bool:
    """Whether a finished variant was scored by the rules of a version before 0.2."""
    return run.is_finished and run.tags.get(names.SCORE_RULES) != names.CURRENT_RULES


def by_current_rules(runs: Mapping[str, RunRecord]) -> dict[str, RunRecord]:
    """Runs of variants by any key, those of older versions with today's means and differences."""
    means = {run.run_id: _with_means(run) if is_older(run) else run for run in runs.values()}
    return {key: _with_differences(means[run.run_id], means) for key, run in runs.items()}


def _with_means(run: RunRecord) -> RunRecord:
    classes = json.loads(run.tags.get(names.CLASSES, "[]"))
    recalls = names.class_metrics(names.RECALL, classes)
    occurring = [number for number, name in enumerate(recalls) if name in run.metrics]
    metrics = {name: value for name, value in run.metrics.items() if name not in _INTERVALS}
    for mean, of_class in _MEANS.items():
        own = names.class_metrics(of_class, classes)
        if occurring and mean in metrics:
            # A class that occurs and is never predicted has no precision; it counts as 0.
            metrics[mean] = sum(metrics.get(own[number], 0.0) for number in occurring) / len(occurring)
    for of_class in set(_MEANS.values()) if occurring else ():
        for number, name in enumerate(names.class_metrics(of_class, classes)):
            if number not in occurring:
                metrics.pop(name, None)
    return replace(run, metrics=metrics)


def _with_differences(run: RunRecord, means: Mapping[str, RunRecord]) -> RunRecord:
    """A run whose differences are those of today's means; `means` are the runs by id."""
    baseline = means.get(run.tags.get(names.BASELINE_RUN_ID, ""))
    if not is_older(run) or baseline is None:
        return run
    differences = {
        gain: run.metrics[score] - control.metrics[score]
        for control in [means.get(run.tags.get(names.GAIN_AGAINST, ""))]
        for gain, score in ((names.GAIN_MEAN_IOU, names.MEAN_IOU), (names.GAIN_ACCURACY, names.ACCURACY))
        if control is not None and gain in run.metrics and score in control.metrics
    }
    differences |= {
        delta: run.metrics[score] - baseline.metrics[score]
        for delta, score in _DELTAS.items()
        if delta in run.metrics and score in run.metrics and score in baseline.metrics
    }
    return replace(run, metrics=run.metrics | differences)


def older_remark(runs: Iterable[RunRecord]) -> list[str]:
    """What must be said of rows that an older version scored; nothing where there are none."""
    count = sum(map(is_older, runs))
    if not count:
        return []
    rows = "1 row was" if count == 1 else f"{count} rows were"
    return [
        f"{rows} scored by a version before 0.2: there are no validation scores, so no Pareto marks, and no intervals; "
        "means were taken anew over the classes that occur in the test masks. Run the sweep again to score the files "
        f"again; {TRAINED_AGAIN} (segsweep plan says which)."
    ]
