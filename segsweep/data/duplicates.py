"""Leaving out images that are in two splits."""

import numpy as np

from segsweep.data.file_survey import FileSurvey
from segsweep.errors import DataError

_LEAVING = (("validation", ("test",)), ("train", ("test", "validation")))
"""By split, those whose images are taken out of it: the test is never touched."""


def without_duplicates(rows: dict[str, np.ndarray], survey: FileSurvey) -> dict[str, np.ndarray]:
    """The rows of each role without images that equal one, or a patch of one, in a split nearer to the test.

    Images of a single colour are no duplicates: they tell nothing of each other.

    Args:
        rows: by role, indices of the pairs.
        survey: of these pairs.

    Raises:
        DataError: none is left.
    """
    _, number = np.unique(survey.patches.digests, axis=0, return_inverse=True)
    number = np.where(survey.patches.is_constant, -1, number.reshape(-1))
    kept = dict(rows)
    for role, others in _LEAVING:
        if role not in kept:
            continue
        apart = np.concatenate([np.array([], np.int64), *(kept[other] for other in others if other in kept)])
        seen = number[np.isin(survey.source, apart) & (number >= 0)]
        kept[role] = np.setdiff1d(kept[role], survey.source[np.isin(number, seen)])
        if len(rows[role]) and not len(kept[role]):
            raise DataError(f"data.duplicates=drop: every image of the {role} split is in another one too")
    return kept
