"""The references of a sweep: those of each data set that its jobs use, and what its variants score against them."""

import json
from collections.abc import Collection, Iterable

from segsweep.config.data_schema import DataConfig
from segsweep.config.schema import JobConfig
from segsweep.data.sources import load_dataset
from segsweep.references.differences import add_differences
from segsweep.references.runs import ensure_references
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import LONGEST_TAG, Store


def add_references(store: Store, sweep_id: str, configs: Iterable[JobConfig], variants: Collection[RunRecord]) -> None:
    """Find or compute the references, list them on the sweep, and log on each variant how it does against them.

    Args:
        store: of the sweep.
        sweep_id: run id of the sweep.
        configs: of its jobs; equal data is looked at once.
        variants: its finished runs.
    """
    seen: list[DataConfig] = []
    found: dict[str, RunRecord] = {}
    for config in configs:
        if config.data not in seen:
            seen.append(config.data)
            runs = ensure_references(config, load_dataset(config.data), store, sweep_id)
            found |= {run.tags[names.REFERENCE_KEY]: run for run in runs}
    store.log(sweep_id, tags={names.REFERENCES: _listed(list(found))})
    add_differences(store, variants, list(found.values()))


def _listed(keys: list[str]) -> str:
    """The keys as a JSON list, of as many of them as a tag holds."""
    while len(text := json.dumps(keys)) > LONGEST_TAG:
        keys = keys[:-1]
    return text
