"""What variants score against the references of their data, with intervals: computed once, and kept on their runs."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from segsweep.evaluation.bootstrap import accuracies, mean_ious, paired_interval
from segsweep.evaluation.image_counts import ImageCounts, read_counts
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store

_SCORES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {"accuracy": accuracies, "mean_iou": mean_ious}
"""By its column in a comparison: what is compared."""


def add_differences(store: Store, variants: Iterable[RunRecord], references: Sequence[RunRecord]) -> None:
    """Log on each finished variant how it does against the references of its data, unless that is there already.

    A variant that was counted otherwise, by another version, is left out.
    """
    by_data: dict[str, list[RunRecord]] = {}
    for reference in references:
        by_data.setdefault(reference.tags[names.DATA_FINGERPRINT], []).append(reference)
    counts: dict[str, ImageCounts] = {}
    known: dict[tuple[str, str], dict[str, float]] = {}
    for variant in variants:
        compared = by_data.get(variant.tags.get(names.DATA_FINGERPRINT, ""), [])
        against = json.dumps([reference.tags[names.REFERENCE_KEY] for reference in compared])
        if not compared or variant.tags.get(names.REFERENCES) == against:
            continue
        content = store.artifacts.read(variant, names.CONFUSION_FILE)
        if content is None:
            continue
        own, metrics = read_counts(content), dict[str, float]()
        for reference in compared:
            if reference.run_id not in counts:
                counts[reference.run_id] = read_counts(store.artifacts.required(reference, names.CONFUSION_FILE))
            # float32 and float16 often count the same.
            place = variant.sha256.get(names.CONFUSION_FILE, variant.run_id), reference.run_id
            if place not in known:
                known[place] = _differences(own, counts[reference.run_id], reference.tags[names.REFERENCE_NAME])
            metrics |= known[place]
        if metrics:
            store.log(variant.run_id, metrics=metrics, tags={names.REFERENCES: against})


def _differences(own: ImageCounts, reference: ImageCounts, name: str) -> dict[str, float]:
    """By metric's name each difference, and the ends of its interval where there is one."""
    if own.classes != reference.classes or not np.array_equal(own.of_truth, reference.of_truth):
        return {}
    found = {}
    for score, compute in _SCORES.items():
        metric = names.against(name, score)
        found[metric] = float(compute(own.total[None])[0] - compute(reference.total[None])[0])
        interval = paired_interval(own, reference, compute, groups=own.groups)
        if interval is not None:
            found |= {f"{metric}_low": interval.low, f"{metric}_high": interval.high}
    return found
