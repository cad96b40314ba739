"""How often each class occurs in a split."""

import numpy as np

from segsweep.data.dataset import Dataset, Split, survey_of

_NAMED = 8


def class_frequencies(split: Split, classes: int) -> np.ndarray:
    """Pixels of each class, (classes,) int64; pixels labelled `IGNORE` count nowhere."""
    return survey_of(split).counts.sum(axis=0)[:classes]


def absent_classes(dataset: Dataset) -> list[str]:
    """For each split in which a class does not occur, a sentence that says so."""
    found = []
    for role, split in (("training", dataset.train), ("validation", dataset.validation), ("test", dataset.test)):
        frequencies = class_frequencies(split, len(dataset.classes))
        absent = [name for name, pixels in zip(dataset.classes, frequencies, strict=True) if not pixels]
        if absent:
            named = ", ".join(absent[:_NAMED])
            more = f" and {len(absent) - _NAMED} more classes" if len(absent) > _NAMED else ""
            what = "mask" if dataset.task.by_pixel else "image"
            found.append(f"{named}{more}: in no {what} of the {role} split")
    return found
