"""What users of a store of an older version should know when they go on with it."""

from segsweep.tracking import names
from segsweep.tracking.store import Store

NOTE = (
    "this store was made by a version before 0.2, whose defaults were others: now the validation split chooses, means "
    "are over the classes in the truth, intervals are over independent images, and photographs are not turned upside "
    "down; "
    "files are scored again for new rows, trainings are made again only where their augmentation or data changed, and "
    "older rows stay as they are"
)


def older_store_remarks(store: Store | None) -> list[str]:
    """One sentence, for the first sweep of this version over the runs of an older one; then nothing."""
    if store is None:
        return []
    versions = [_release(sweep.tags.get(names.VERSION, "")) for sweep in store.of_kind(names.SWEEP)]
    return [NOTE] if versions and max(versions) < (0, 2) else []


def _release(version: str) -> tuple[int, ...]:
    """Major and minor number; (0, 0) of a version that says nothing known."""
    numbers = version.split(".")[:2]
    return tuple(map(int, numbers)) if len(numbers) == 2 and all(number.isdecimal() for number in numbers) else (0, 0)
