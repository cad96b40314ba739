"""What the store already holds."""

from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store


def finished_variants(store: Store) -> dict[str, RunRecord]:
    """The newest finished, intact variant run of each evaluation key."""
    found: dict[str, RunRecord] = {}
    for record in store.of_kind(names.VARIANT):
        key = record.tags.get(names.EVALUATION_KEY, "")
        if key not in found and store.is_intact(record):
            found[key] = record
    return found


def finished_trainings(store: Store) -> set[str]:
    return {record.tags.get(names.TRAINING_KEY, "") for record in store.of_kind(names.TRAINING) if record.is_finished}
