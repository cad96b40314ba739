"""Where a variant gives a pixel another class than its baseline, and whether that helped."""

import numpy as np

from segsweep.data.dataset import IGNORE

SAME, GAINED, LOST, CHANGED = range(4)
FLIP_NAMES = {GAINED: "gained", LOST: "lost", CHANGED: "changed"}
FLIP_MEANINGS = {
    GAINED: "right now, wrong in the baseline",
    LOST: "wrong now, right in the baseline",
    CHANGED: "another wrong class than in the baseline",
}
FLIP_COLOURS = {GAINED: (0, 114, 178), LOST: (213, 94, 0), CHANGED: (240, 228, 66)}
"""Blue, vermilion and yellow of Okabe and Ito (2008), made for all kinds of colour vision."""


def possible_flips(classes: int) -> list[int]:
    """Those that there are with so many classes: of two, one is right."""
    return [each for each in FLIP_NAMES if each != CHANGED or classes > 2]


def flips(truth: np.ndarray, baseline: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """For each pixel `SAME`, `GAINED`, `LOST` or `CHANGED`, uint8; pixels that do not count are `SAME`.

    Args:
        truth: class ids, `IGNORE` where a pixel counts nowhere.
        baseline: class ids by the baseline.
        predictions: class ids by the variant; all of one shape.
    """
    found = np.full(truth.shape, SAME, np.uint8)
    differs = (predictions != baseline) & (truth != IGNORE)
    found[differs] = CHANGED
    found[differs & (predictions == truth)] = GAINED
    found[differs & (baseline == truth)] = LOST
    return found
