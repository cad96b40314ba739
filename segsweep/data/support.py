"""Notes on data that cannot support a claim: splits that share places, or differ, or are too small.

None of them is an error: a model can be trained all the same. Each says what its scores will not show.
"""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from segsweep.data.class_frequencies import class_frequencies
from segsweep.data.dataset import IGNORE, Dataset, Split, sources_of, survey_of
from segsweep.data.file_split import FileSplit
from segsweep.data.image_files import RASTERS, opened_raster
from segsweep.data.independent_groups import LEAST_GROUPS, independent_groups, mask_keys
from segsweep.errors import DataError

SHARES_FACTOR = 2.0
"""How many times as large a class's share may be in one split as in another."""
_LEAST_SHARE = 0.02
"""Of a rarer class, shares are not compared."""
_MOST_FILES = 500
"""Files of a split whose place is looked up."""
_NEAR = 0.5
"""How far apart two tiles may lie that come from one scene, in sides of a tile."""
_NUMBERS = re.compile(r"(?:[_\-. ]?[xyrc]?\d+){1,2}$", re.IGNORECASE)
"""The numbers at the end of the name of a tile."""


def support_notes(dataset: Dataset) -> list[str]:
    """What the data cannot show, a sentence each."""
    splits = {"training": dataset.train, "validation": dataset.validation, "test": dataset.test}
    return [
        *(note for role, split in splits.items() for note in _equal_masks(role, split)),
        *(note for role in ("validation", "test") for note in _shared_masks(dataset.train, role, splits[role])),
        *_shares(splits, dataset.classes),
        *(note for role in ("validation", "test") for note in _one_scene(dataset.train, role, splits[role])),
        *(note for role in ("validation", "test") for note in _few_groups(role, splits[role])),
    ]


def _equal_masks(role: str, split: Split) -> list[str]:
    """A note where all masks of a split are the same."""
    keys = mask_keys(split)
    if len(keys) < 2 or not frozenset.intersection(*keys):
        return []
    return [
        f"all {len(keys)} {role} masks are equal: the images show one place, and a network can learn the mask by heart"
    ]


def _shared_masks(train: Split, role: str, test: Split) -> list[str]:
    """A note where images of a split show a place that training images show, at another time perhaps."""
    known = frozenset[bytes]().union(*mask_keys(train))
    tested = mask_keys(test)
    shared = sum(not known.isdisjoint(keys) for keys in tested)
    if not shared:
        return []
    return [
        f"{shared} of {len(tested)} {role} images have the mask of a training image: they show a place that was "
        "trained on, and their scores say nothing about other places"
    ]


def _shares(splits: dict[str, Split], classes: Sequence[str]) -> list[str]:
    """A note for each pair of splits in which the share of a class is not alike."""
    shares = {}
    for role, split in splits.items():
        pixels = class_frequencies(split, len(classes)).astype(float)
        shares[role] = pixels / max(1.0, pixels.sum())
    notes = []
    for one, other in combinations(splits, 2):
        larger, smaller = np.maximum(shares[one], shares[other]), np.minimum(shares[one], shares[other])
        # A class that a split lacks altogether has a note of its own.
        apart = (larger > SHARES_FACTOR * smaller) & (larger >= _LEAST_SHARE) & (smaller > 0)
        if "training" in (one, other) and apart.any():
            worst = int(np.where(apart, larger / np.where(smaller > 0, smaller, 1), 0).argmax())
            more = f", and {int(apart.sum()) - 1} more classes" if apart.sum() > 1 else ""
            notes.append(
                f"{classes[worst]} is {shares[one][worst]:.0%} of the {one} pixels and {shares[other][worst]:.0%} of "
                f"the {other} pixels{more}: the splits differ by more than a factor of {SHARES_FACTOR:g}"
            )
    return notes


def _few_groups(role: str, split: Split) -> list[str]:
    """A note where a split has too few independent images for an interval."""
    sources, survey = sources_of(split), survey_of(split)
    # Images of which nothing counts are in no group.
    counted = np.bincount(sources.of_item, survey.counts[:, :IGNORE].sum(axis=1), len(sources)) > 0
    images, groups = len(sources), len(np.unique(independent_groups(split)[counted]))
    if groups >= LEAST_GROUPS:
        return []
    what = "image" if images == 1 else "images"
    independent = f", {groups} of them independent" if groups < images else ""
    consequence = "nothing is told apart when choosing" if role == "validation" else "no score has an interval"
    return [f"{images} {role} {what}{independent}: fewer than {LEAST_GROUPS}, so {consequence}"]


def _one_scene(train: Split, role: str, test: Split) -> list[str]:
    """A note where places or names of files show that tiles of a split come from the scenes of training tiles."""
    ours, theirs = _files(train), _files(test)
    if ours is None or theirs is None or ours.groups is not None:
        return []
    near = _near(_places(ours), _places(theirs))
    if near:
        return [
            f"{near} {role} images lie within half a tile of training images, so both come from one scene: scores will "
            "be too good for other scenes; keep scenes apart with data.groups, or with lists"
        ]
    return _shared_names(_stems(ours), role, _stems(theirs))


def _files(split: Split) -> FileSplit | None:
    """The split of files behind a split; None where it is of something else."""
    inner = split
    while not isinstance(inner, FileSplit):
        inner = getattr(inner, "inner", None)  # type: ignore[assignment]
        if inner is None:
            return None
    return inner


def _stems(split: FileSplit) -> list[str]:
    return [split.pairs[pair].image.stem for pair in np.unique(split.source)]


def _shared_names(ours: Sequence[str], role: str, theirs: Sequence[str]) -> list[str]:
    """A note where names without the numbers of tiles show several scenes, of which splits share some."""
    scenes = Counter(_NUMBERS.sub("", stem) for stem in (*ours, *theirs))
    # One name for all is only a way to number images; a name for each is none of a scene.
    if len(scenes) < 2 or len(scenes) * 2 > len(ours) + len(theirs):
        return []
    shared = sorted({_NUMBERS.sub("", stem) for stem in ours} & {_NUMBERS.sub("", stem) for stem in theirs})
    if not shared:
        return []
    return [
        f"training and {role} images share {len(shared)} of {len(scenes)} scenes, as their names show ({shared[0]} for "
        "one): scores will be too good for other scenes; keep scenes apart with data.groups, or with lists"
    ]


def _places(split: FileSplit) -> dict[str, np.ndarray]:
    """By coordinate system, left, bottom, right and top (N, 4) of the rasters of a split that have a place."""
    found: dict[str, list[tuple[float, ...]]] = {}
    for pair in np.unique(split.source)[:_MOST_FILES]:
        path = split.pairs[pair].image
        if path.suffix.lower() not in RASTERS:
            continue
        try:
            with opened_raster(path) as raster:
                if raster.crs is not None and not raster.transform.is_identity:
                    found.setdefault(raster.crs.to_string(), []).append(tuple(raster.bounds))
        except DataError:
            continue
    return {system: np.array(boxes) for system, boxes in found.items()}


def _near(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> int:
    """How many of their tiles lie near one of ours."""
    count = 0
    for system, boxes in theirs.items():
        if system not in ours:
            continue
        left, bottom, right, top = ours[system].T
        for box in boxes:
            reach = _NEAR * max(box[2] - box[0], box[3] - box[1])
            apart = (
                (left > box[2] + reach) | (right < box[0] - reach) | (bottom > box[3] + reach) | (top < box[1] - reach)
            )
            count += not apart.all()
    return count
