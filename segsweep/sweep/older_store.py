"""What users of a store of an older version should know when they go on with it."""

from segsweep.report.older_scores import TRAINED_AGAIN
from segsweep.tracking import names
from segsweep.tracking.store import Store

NOTE = (
    "a version before 0.2 made this store. Now the validation split chooses, means are over the classes in the truth, "
    "intervals are over independent images, and photographs are not turned upside down. Older rows stay as they are; "
    f"their files are scored again for new rows, and {TRAINED_AGAIN}"
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
