"""The references of a data set in the store: found there, or computed once and logged, a run each."""

import json
from typing import Any

from segsweep import __version__
from segsweep.config.job_config import parameters
from segsweep.config.keys import content_key, environment, versions
from segsweep.config.schema import JobConfig
from segsweep.data.dataset import Dataset
from segsweep.evaluation.confusion import scores
from segsweep.evaluation.image_counts import stored_counts
from segsweep.references.counting import ReferenceCounts, count_references
from segsweep.references.linear_classifier import SAMPLE, linear_reference
from segsweep.references.table import COMMONEST_CLASS, REFERENCES
from segsweep.runs.score_metrics import score_tags
from segsweep.runs.used_data import data_fingerprint, training_data, variant_data
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store

REFERENCE_FORMAT = 1
"""Raised when a reference is computed or counted otherwise."""


def ensure_references(config: JobConfig, dataset: Dataset, store: Store, sweep_id: str) -> list[RunRecord]:
    """The finished runs of all references of a data set; what the store lacks is computed.

    Args:
        config: a job on the data, whose data settings become params.
        dataset: the data.
        store: where they are looked for and logged.
        sweep_id: of the sweep that needs them, under which new runs stand.
    """
    keys = reference_keys(dataset)
    known: dict[str, RunRecord] = {}
    for run in store.with_keys(names.REFERENCE, names.REFERENCE_KEY, set(keys.values())):
        if store.artifacts.are_intact(run, fetch=False):
            known.setdefault(run.tags[names.REFERENCE_KEY], run)
    missing = [name for name, key in keys.items() if key not in known]
    if missing:
        counted = count_references(dataset)
        for name in missing:
            run_id = _log(name, keys[name], counted[name], config, dataset, store, sweep_id)
            known[keys[name]] = store.get(run_id)
    return [known[key] for key in keys.values()]


def reference_keys(dataset: Dataset) -> dict[str, str]:
    """The content key of each reference of a data set, by the reference's name."""
    data = {
        "format": REFERENCE_FORMAT,
        "data": [dataset.train.fingerprint, dataset.validation.fingerprint, dataset.test.fingerprint],
        "classes": len(dataset.classes),
    }
    linear = linear_reference(dataset)
    fitted: dict[str, Any] = {
        "normalization": [dataset.normalization.mean.tolist(), dataset.normalization.std.tolist()],
        "sample": dict(SAMPLE),
        "versions": versions("scikit-learn"),
    }
    return {
        COMMONEST_CLASS: content_key({**data, "reference": COMMONEST_CLASS}),
        linear: content_key({**data, "reference": linear, **fitted}),
    }


def _log(
    name: str, key: str, counted: ReferenceCounts, config: JobConfig, dataset: Dataset, store: Store, sweep_id: str
) -> str:
    """The run of a reference; its id."""
    tags = {
        names.SWEEP_ID: sweep_id,
        names.REFERENCE_NAME: name,
        names.REFERENCE_KEY: key,
        names.VERSION: __version__,
        names.VERSIONS: json.dumps(environment() | versions("scikit-learn")),
        names.DATA_FINGERPRINT: data_fingerprint(dataset),
        **score_tags(dataset, counted.test, counted.validation),
        names.CLASSES: json.dumps(dataset.classes),
        **({names.STANDIN: "true"} if dataset.standin else {}),
    }
    params = {each: value for each, value in parameters(config).items() if each.startswith("data.")}
    with store.run(names.REFERENCE, REFERENCES[name].title, parent=sweep_id, tags=tags, params=params) as run_id:
        used = [*training_data(dataset, config.data), *variant_data(dataset, config.data, calibrated=False)]
        store.log_data(run_id, used)
        files = {
            names.CONFUSION_FILE: stored_counts(counted.test),
            names.VALIDATION_CONFUSION_FILE: stored_counts(counted.validation),
        }
        hashes = store.upload(run_id, files)
        test, validation = scores(counted.test), scores(counted.validation)
        store.log(
            run_id,
            metrics={
                names.ACCURACY: test.accuracy,
                names.MEAN_IOU: test.mean_iou,
                names.MEAN_DICE: test.mean_dice,
                names.VALIDATION_ACCURACY: validation.accuracy,
                names.VALIDATION_MEAN_IOU: validation.mean_iou,
                names.VALIDATION_MEAN_DICE: validation.mean_dice,
            },
            tags=hashes,
        )
    return run_id
