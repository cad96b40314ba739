"""What the store already holds."""

from collections.abc import Collection

from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store


def finished_variants(store: Store, wanted: Collection[str]) -> dict[str, RunRecord]:
    """The newest finished, intact variant run of each of the evaluation keys `wanted` that has one."""
    found: dict[str, RunRecord] = {}
    for record in store.of_kind(names.VARIANT):
        key = record.tags.get(names.EVALUATION_KEY, "")
        if key in wanted and key not in found and store.artifacts.are_intact(record, fetch=False):
            found[key] = record
    return found


def finished_trainings(store: Store) -> set[str]:
    """Keys of the trainings that have a finished run."""
    return {record.tags.get(names.TRAINING_KEY, "") for record in store.of_kind(names.TRAINING) if record.is_finished}
