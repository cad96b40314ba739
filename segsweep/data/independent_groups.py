"""Which images of a split are independent of each other.

Patches of one image are no independent samples, nor are images of one group, or of one place. Intervals are drawn over
groups of images that are independent of each other.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from segsweep.data.dataset import SourceImages, Split, sources_of, survey_of

LEAST_GROUPS = 6
"""Of fewer independent groups no interval is made: too few to tell how much groups differ."""


def independent_groups(split: Split) -> np.ndarray:
    """A number (S,) int64 for each source image, equal for images that are not independent of each other.

    Images are put together where `data.groups` says so, where they are equal, and where their masks are equal: these
    show the same place. A mask of a single class, or an image of a single colour, tells nothing. Numbers count from 0.
    """
    return _groups_of(_SameObject(split))


@dataclass(frozen=True, eq=False)
class _SameObject:
    """Makes a split a key of a cache: equal to itself alone."""

    split: Split

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _SameObject) and other.split is self.split

    def __hash__(self) -> int:
        return id(self.split)


@lru_cache(maxsize=4)
def _groups_of(key: _SameObject) -> np.ndarray:
    """For the test and the validation split of the last data sets: each job of a sweep asks for them."""
    split = key.split
    sources, survey = sources_of(split), survey_of(split)
    given = None if sources.groups is None else sources.groups.tolist()
    labels = _label_digests(split)
    masks = [None] * len(sources) if sources.masks is None else sources.masks.tolist()
    masks = [mask if digest is not None else None for mask, digest in zip(masks, labels, strict=True)]
    pictures = _digests_by_image(survey.digests, ~survey.is_constant, sources)
    joined = joined_groups(*([given] if given is not None else []), labels, masks, pictures)
    return np.unique(joined, return_inverse=True)[1].reshape(-1).astype(np.int64)


def mask_keys(split: Split) -> list[frozenset[bytes]]:
    """For each source image of a split what stands for its mask: images with equal masks share a key.

    A key is of the labels, another of the mask before pixels without data were ignored: images of one place have holes
    where clouds were. A mask of a single class has none.
    """
    sources = sources_of(split)
    of_labels = _label_digests(split)
    masks = [None] * len(sources) if sources.masks is None else sources.masks.tolist()
    return [
        frozenset() if labels is None else frozenset({labels, *([] if mask is None else [b"mask %d" % mask])})
        for labels, mask in zip(of_labels, masks, strict=True)
    ]


def _label_digests(split: Split) -> list[bytes | None]:
    survey = survey_of(split)
    return _digests_by_image(survey.mask_digests, ~survey.has_one_class, sources_of(split))


def joined_groups(*groupings: Sequence[Hashable | None]) -> np.ndarray:
    """A number (N,) for each item, the same for items that any of the groupings puts together, also by way of others.

    Args:
        groupings: a value for each item, equal where items belong together; None belongs to nothing.
    """
    leader = list(range(len(groupings[0])))

    def find(item: int) -> int:
        while leader[item] != item:
            leader[item] = leader[leader[item]]
            item = leader[item]
        return item

    for grouping in groupings:
        first: dict[Hashable, int] = {}
        for item, value in enumerate(grouping):
            if value is not None:
                leader[find(item)] = find(first.setdefault(value, item))
    return np.array([find(item) for item in range(len(leader))])


def _digests_by_image(digests: np.ndarray, tells: np.ndarray, sources: SourceImages) -> list[bytes | None]:
    """The digests (N, 32) of all items of each image together; None where no item `tells` (N,) anything."""
    found: list[bytes] = [b""] * len(sources)
    for image, digest in zip(sources.of_item.tolist(), digests, strict=True):
        found[image] += digest.tobytes()
    says = np.bincount(sources.of_item, tells, len(sources)) > 0
    return [digest if known else None for digest, known in zip(found, says, strict=True)]
