"""How often each class occurs in a split."""

import numpy as np

from segsweep.data.dataset import IGNORE, Split

IMAGES_AT_A_TIME = 64


def class_frequencies(split: Split, classes: int) -> np.ndarray:
    """Pixels of each class, (classes,) int64; pixels labelled `IGNORE` count nowhere."""
    counts = np.zeros(IGNORE + 1, np.int64)
    for start in range(0, len(split), IMAGES_AT_A_TIME):
        _, labels = split.read(np.arange(start, min(start + IMAGES_AT_A_TIME, len(split))))
        counts += np.bincount(labels.ravel(), minlength=IGNORE + 1)
    return counts[:classes]
