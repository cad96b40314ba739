"""From pairs of files to a data set: what all sources of files share."""

import hashlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from segsweep.config.data_schema import FileDataConfig
from segsweep.data.alpha_bands import alpha_band
from segsweep.data.bands import band_names, shown_channels, used_channels
from segsweep.data.dataset import Dataset
from segsweep.data.duplicates import without_duplicates
from segsweep.data.file_lists import is_list, read_list, rows_matching, rows_of
from segsweep.data.file_split import FilePair, FileSplit, Reading
from segsweep.data.file_survey import FileSurvey, survey_files
from segsweep.data.fitting import Fit, Patches
from segsweep.data.image_files import COLOURS, RASTERS, ImageKind, opened_raster
from segsweep.data.independent_groups import joined_groups
from segsweep.data.labelling import Labelling
from segsweep.data.late_split import LateSplit
from segsweep.data.mask_files import NOTHING_KEPT
from segsweep.data.no_data import NoDataRule
from segsweep.data.normalization import fit_normalization
from segsweep.data.sample_cache import SampleCache
from segsweep.data.splits import split_by_fraction
from segsweep.data.view import NADIR, View, view_of_bands
from segsweep.errors import DataError

_COLOURS = ("red", "green", "blue")
ROLES = ("train", "validation", "test")
DROP = ", or set data.duplicates=drop"
"""What helps against equal images on two sides."""


@dataclass(frozen=True)
class Files:
    """What a source found on disk."""

    root: Path
    pairs: Sequence[FilePair]
    kind: ImageKind
    labelling: Labelling
    lists: dict[str, Path | None]
    """By role, the list of its images, or a pattern of their paths."""
    first_word: bool = False
    """Whether lists hold more than names, after a space."""
    groups: Sequence[Hashable | None] | None = None
    """For each pair what it belongs to; None where each stands for itself."""
    unlabelled: Sequence[FilePair] = ()
    problems: Sequence[str] = field(default=())
    """Found so far, such as images without a mask."""
    remarks: Sequence[str] = field(default=())
    """What is worth knowing and no problem."""
    view: View | None = None
    """From where the images were taken; None where that cannot be told."""


def folder_of(config: FileDataConfig) -> Path:
    """The folder of the data.

    Raises:
        DataError: it does not exist.
    """
    root = Path(config.root or "").expanduser()
    if not root.is_dir():
        raise DataError(f"data.root: {root} is no folder; give the folder of the data, or data.standin=true")
    return root


def lists_of(config: FileDataConfig, root: Path) -> dict[str, Path | None]:
    """The lists or patterns that the settings name, by role."""
    named = {role: getattr(config, role) for role in ROLES}
    return {role: root / Path(path).expanduser() if path is not None else None for role, path in named.items()}


def view_of_files(path: Path, kind: ImageKind) -> View:
    """Of images in files: from above where this one, the first of them, has many bands or lies somewhere on Earth."""
    known = view_of_bands(kind.bands)
    if known is NADIR or path.suffix.lower() not in RASTERS:
        return known
    with opened_raster(path) as raster:
        points, _ = raster.gcps
        is_placed = raster.crs is not None or not raster.transform.is_identity or points or raster.rpcs is not None
    return NADIR if is_placed else known


def load_files(config: FileDataConfig, files: Files) -> Dataset:
    """The data set of these files, each of which is checked.

    Raises:
        DataError: a file, a list or a setting is not right.
    """
    listed = {role: _listed(path, files) for role, path in files.lists.items() if path is not None}
    if "train" not in listed:
        others = np.concatenate([np.array([], np.int64), *listed.values()])
        listed["train"] = np.setdiff1d(np.arange(len(files.pairs)), others)
    chosen = np.unique(np.concatenate(list(listed.values())))
    if not len(chosen):
        raise DataError(f"{files.root}: no image that has a mask")
    pairs = [files.pairs[row] for row in chosen]
    rows = {role: np.searchsorted(chosen, found) for role, found in listed.items()}

    alpha = alpha_band([pair.image for pair in pairs], config)
    reading = _reading(config, files, NoDataRule(config.nodata, alpha.is_mask))
    survey = survey_files(pairs, reading, files.problems)
    listed_rows, rows = rows, _with_data(rows, survey)
    remarks = [
        *files.remarks,
        *survey.remarks(),
        *filter(None, [alpha.remark]),
        *_without_data(listed_rows, rows),
        *_kept(survey, files),
    ]
    if config.duplicates == "drop":
        before, rows = rows, without_duplicates(rows, survey)
        remarks += _dropped(before, rows)
    used = set(np.concatenate(list(rows.values())).tolist())
    named = [None if files.groups is None else files.groups[row] for row in chosen]
    groups = joined_groups(*(_of(used, each) for each in (named, _contents(survey, len(pairs)))))
    _require_apart(rows, groups, pairs, files.lists)
    rows = _set_aside(rows, groups, config)

    cache = SampleCache(config.cache_mib * 2**20)
    given = groups if files.groups is not None else None
    splits = {
        role: _split(pairs, survey, reading, rows[role], cache, once=role != "train", groups=given) for role in ROLES
    }
    channels = splits["train"].image_shape[2]
    default = _COLOURS if files.kind.mode in COLOURS else None
    return Dataset(
        name=config.name,
        classes=files.labelling.classes,
        palette=files.labelling.palette,
        bands=band_names(config, channels, "the images", default),
        rgb=shown_channels(config, channels),
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        normalization=fit_normalization(splits["train"], config.normalize),
        unlabelled=LateSplit(lambda: _unlabelled(files, reading)) if files.unlabelled else None,
        standin=config.standin,
        remarks=tuple(remarks),
        dtype=files.kind.dtype,
        nodata=config.nodata,
        alpha_is_band=alpha.is_band,
        known_view=files.view,
    )


def _unlabelled(files: Files, reading: Reading) -> FileSplit:
    every = np.arange(len(files.unlabelled))
    return _split(files.unlabelled, survey_files(files.unlabelled, reading), reading, every, SampleCache(0))


def _dropped(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> list[str]:
    """What to say of images that were left out."""
    counts = [f"{len(before[role]) - len(after[role])} of the {role} split" for role in ROLES[:2] if role in before]
    some = any(len(before[role]) > len(after[role]) for role in before)
    return [f"data.duplicates=drop: left out, since they are in other splits too: {', '.join(counts)}"] * some


def _with_data(rows: dict[str, np.ndarray], survey: FileSurvey) -> dict[str, np.ndarray]:
    """The rows of each role without images that have no valid pixel.

    Raises:
        DataError: none is left.
    """
    there = np.unique(survey.source[survey.patches.valid.any(axis=1)])
    kept = {role: found[np.isin(found, there)] for role, found in rows.items()}
    for role, found in kept.items():
        if len(rows[role]) and not len(found):
            raise DataError(f"data: no image of the {role} split has a valid pixel; all of them are no data")
    return kept


def _without_data(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> list[str]:
    """What to say of images that have no valid pixel."""
    count = len(np.setdiff1d(np.concatenate(list(before.values())), np.concatenate(list(after.values()))))
    return [f"no data: {count} images without any valid pixel are left out"] * (count > 0)


def _kept(survey: FileSurvey, files: Files) -> list[str]:
    """What to say of masks whose nodata value is the number of a class."""
    found = np.unique(survey.kept_nodata[survey.kept_nodata != NOTHING_KEPT]).tolist()
    names = {number: name for name, number in files.labelling.stored}
    return [
        f"masks declare {files.labelling.describe(number)} as nodata, which is the class {names[number]}; "
        "those pixels count as that class"
        for number in found
    ]


def _of(used: set[int], values: Sequence[Hashable | None]) -> list[Hashable | None]:
    """What is left out belongs to nothing."""
    return [value if row in used else None for row, value in enumerate(values)]


def _listed(path: Path, files: Files) -> np.ndarray:
    """The rows of the pairs that a list names, or that a pattern matches."""
    if not is_list(path, files.root):
        return rows_matching(path, files.pairs, files.root)
    return rows_of(read_list(path, first_word=files.first_word), files.pairs, files.root, path)


def _reading(config: FileDataConfig, files: Files, no_data: NoDataRule) -> Reading:
    size = None if config.size is None else (config.size[0], config.size[1])
    return Reading(
        kind=files.kind,
        channels=used_channels(config, files.kind.bands, files.pairs[0].image.name),
        labelling=files.labelling,
        fit=Fit(size, config.fit),
        patches=Patches(config.patch.size, config.patch.stride),
        no_data=no_data,
    )


def _contents(survey: FileSurvey, pairs: int) -> list[Hashable | None]:
    """What is to be seen in each image, the same for equal images; None where all is of one colour."""
    digests = [hashlib.sha256() for _ in range(pairs)]
    for source, digest in zip(survey.source, survey.patches.digests, strict=True):
        digests[source].update(digest.tobytes())
    seen = np.bincount(survey.source, ~survey.patches.is_constant, pairs) > 0
    return [digest.digest() if visible else None for digest, visible in zip(digests, seen, strict=True)]


def _require_apart(
    rows: dict[str, np.ndarray], groups: np.ndarray, pairs: Sequence[FilePair], lists: dict[str, Path | None]
) -> None:
    """Refuse lists that put images of one group on two sides."""
    given = [role for role in ROLES if role in rows]
    for number, one in enumerate(given):
        for other in given[number + 1 :]:
            shared = np.flatnonzero(np.isin(groups[rows[other]], groups[rows[one]]))
            if len(shared):
                image = rows[other][shared[0]]
                twin = next(row for row in rows[one] if groups[row] == groups[image])
                raise DataError(
                    f"{lists[other] or lists[one]}: {len(shared)} images of the {other} split are equal to, or of one "
                    f"group with, images of the {one} split, {pairs[image].name} with {pairs[twin].name} for one; "
                    f"keep them on one side{DROP} to leave out those that are equal"
                )


def _set_aside(rows: dict[str, np.ndarray], groups: np.ndarray, config: FileDataConfig) -> dict[str, np.ndarray]:
    """The rows of each role, those without a list by fraction of the training images."""
    found = dict(rows)
    for role, fraction, seed in (("test", config.test_fraction, 0), ("validation", config.validation_fraction, 1)):
        if role not in found:
            found["train"], found[role] = split_by_fraction(
                found["train"], groups, fraction, config.split_seed + seed, f"data.{role}_fraction"
            )
    return found


def _split(
    pairs: Sequence[FilePair],
    survey: FileSurvey,
    reading: Reading,
    rows: np.ndarray,
    cache: SampleCache,
    *,
    once: bool = False,
    groups: np.ndarray | None = None,
) -> FileSplit:
    """The patches of some of the pairs, but for those that have no valid pixel.

    With `once`, each pixel has a label in one of them alone. `groups` (P,) are what `data.groups` says of the pairs.
    """
    chosen = np.flatnonzero(np.isin(survey.source, rows) & survey.patches.valid.any(axis=1))
    height, width = (int(length) for length in survey.shapes[0])
    source = survey.source[chosen]
    patches = survey.patches.take(chosen)
    top, bottom, left, right = survey.parts[chosen].T
    overlap = once and bool(((bottom - top) * (right - left) < survey.shapes[chosen].prod(axis=1)).any())
    return FileSplit(
        pairs=pairs,
        reading=reading,
        source=source,
        corners=survey.corners[chosen],
        image_shape=(height, width, survey.patches.mean.shape[1]),
        content=survey.content[source],
        survey=replace(patches, counts=survey.counted[chosen]) if overlap else patches,
        cache=cache,
        parts=survey.parts[chosen] if overlap else None,
        groups=None if groups is None else groups[source],
    )
