"""How often each class occurs in a split."""

import numpy as np

from segsweep.data.dataset import Dataset, Split, survey_of


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
            found.append(f"{', '.join(absent)}: in no mask of the {role} split")
    return found
