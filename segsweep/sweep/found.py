"""What the store already holds."""

from collections.abc import Collection

from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store


def finished_variants(store: Store, wanted: Collection[str]) -> dict[str, RunRecord]:
    """The newest finished, intact variant run of each of the evaluation keys `wanted` that has one."""
    found: dict[str, RunRecord] = {}
    for record in store.with_keys(names.VARIANT, names.EVALUATION_KEY, wanted):
        key = record.tags[names.EVALUATION_KEY]
        if key not in found and store.artifacts.are_intact(record, fetch=False):
            found[key] = record
    return found


def finished_trainings(store: Store, wanted: Collection[str]) -> set[str]:
    """Those of the training keys `wanted` that have a finished run."""
    records = store.with_keys(names.TRAINING, names.TRAINING_KEY, wanted)
    return {record.tags[names.TRAINING_KEY] for record in records if record.is_finished}
