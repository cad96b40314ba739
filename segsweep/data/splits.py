"""Setting images aside: by fraction, by group; and proof that no image is on two sides."""

import numpy as np

from segsweep.data.dataset import IGNORE, Dataset, Split, survey_of
from segsweep.data.survey import digest
from segsweep.errors import DataError


def split_by_fraction(
    rows: np.ndarray, groups: np.ndarray | None, fraction: float, seed: int, setting: str
) -> tuple[np.ndarray, np.ndarray]:
    """Divide `rows` into (kept, set aside), at random; rows of equal group stay together.

    Args:
        rows: (N,) indices.
        groups: a value for each index that occurs in `rows`, or None where each row is its own group.
        fraction: share of the groups set aside, at least one group; 0 < fraction < 1.
        seed: of the draw.
        setting: name of the setting that holds the fraction, for the message.
    """
    if not 0 < fraction < 1:
        raise DataError(f"{setting}: {fraction} must lie between 0 and 1, both excluded")
    values = rows if groups is None else groups[rows]
    units = np.unique(values)
    aside = max(1, round(fraction * len(units)))
    if aside >= len(units):
        what = "images" if groups is None else "groups"
        raise DataError(f"{setting}: {fraction} of {len(units)} {what} leaves none to train on; give more data or less")
    chosen = np.random.default_rng(seed).permutation(units)[:aside]
    is_aside = np.isin(values, chosen)
    return rows[~is_aside], rows[is_aside]


def equal_images(images: np.ndarray) -> np.ndarray:
    """A number (N,) for each of (N, H, W, C) images, the same for equal ones."""
    return np.unique([digest(image).hex() for image in images], return_inverse=True)[1].reshape(-1)


def check_labelled(dataset: Dataset) -> None:
    """Refuse a split in which no pixel counts.

    Raises:
        DataError: naming the split.
    """
    for role, split in (("training", dataset.train), ("validation", dataset.validation), ("test", dataset.test)):
        if not survey_of(split).counts[:, :IGNORE].any():
            raise DataError(f"data: no pixel of the {role} split is labelled; every pixel has the ignored label")


def check_disjoint(dataset: Dataset, remedy: str = "") -> None:
    """Refuse a data set in which one image is in two splits; images of a single colour tell nothing of each other.

    Args:
        dataset: to be checked.
        remedy: ends the message.

    Raises:
        DataError: naming the splits and how many images they share.
    """
    hashes = {
        role: _image_hashes(split)
        for role, split in (("training", dataset.train), ("validation", dataset.validation), ("test", dataset.test))
    }
    for one, other in (("training", "test"), ("training", "validation"), ("validation", "test")):
        shared = hashes[one].keys() & hashes[other].keys()
        if shared:
            first = min(hashes[other][digest] for digest in shared)
            raise DataError(
                f"data: {len(shared)} images are both in the {one} and in the {other} split (image {first} of the "
                f"{other} split is one); scores would be too good, so remove them from one side{remedy}"
            )


def _image_hashes(split: Split) -> dict[bytes, int]:
    """The number of the first image of each digest, where something is to be seen in it."""
    survey = survey_of(split)
    hashes: dict[bytes, int] = {}
    for index in np.flatnonzero(~survey.is_constant):
        hashes.setdefault(survey.digests[index].tobytes(), int(index))
    return hashes
