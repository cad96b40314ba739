"""NumPy archives as a data source: `X` (N, H, W, C) images and `Y` (N, H, W) or (N, H, W, 1) labels.

Or (N,), or (N, 1), where whole images have a class.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segsweep.config.data_schema import NpzConfig
from segsweep.data.bands import band_names, shown_channels, used_channels
from segsweep.data.dataset import IGNORE, ArraySplit, Dataset, SourceImages, Split, survey_of
from segsweep.data.fitting import Patches
from segsweep.data.labelling import merged_classes
from segsweep.data.late_split import LateSplit
from segsweep.data.no_data import empty_images, is_empty, with_no_data
from segsweep.data.normalization import fit_normalization
from segsweep.data.npz_arrays import checked_images, read_arrays, require_file
from segsweep.data.palette import palette
from segsweep.data.patch_split import PatchSplit
from segsweep.data.splits import equal_images, split_by_fraction
from segsweep.data.task import CLASSIFICATION, SEGMENTATION, Task
from segsweep.data.view import view_of_bands
from segsweep.errors import DataError


@dataclass(frozen=True)
class Archive:
    """The arrays of one file, checked."""

    path: Path
    images: np.ndarray
    """(N, H, W, C), any integer or floating type."""
    labels: np.ndarray
    """(N, H, W), or (N, 1, 1) of whole images; integers, as in the file."""
    groups: np.ndarray | None
    """(N,), or None where the file is not split by groups."""


def load(config: NpzConfig) -> Dataset:
    """The data set of the archives that `config` names.

    Raises:
        DataError: a file is missing, broken, or holds what cannot be used.
    """
    assert config.train is not None
    train = read_archive(Path(config.train), config.groups, nodata=config.nodata)
    others = [
        read_archive(Path(path), config.groups, groups_needed=False, nodata=config.nodata) if path is not None else None
        for path in (config.validation, config.test)
    ]
    validation, test = others
    for other in filter(None, others):
        _require_apart(train, other, config.groups)
    # Equal images, such as empty tiles, must not fall on both sides either.
    groups = equal_images(train.images) if train.groups is None else _numbered(train.groups)

    used = used_channels(config, train.images.shape[3], f"X of {train.path}")
    given = {"train": train, "validation": validation, "test": test}
    whole = {role: archive for role, archive in given.items() if archive is not None}
    rows = {role: _with_data(archive, used, config) for role, archive in whole.items()}
    left_out = sum(len(archive.images) - len(rows[role]) for role, archive in whole.items())
    if test is None:
        rows["train"], rows["test"] = split_by_fraction(
            rows["train"], groups, config.test_fraction, config.split_seed, "data.test_fraction"
        )
    if validation is None:
        rows["train"], rows["validation"] = split_by_fraction(
            rows["train"], groups, config.validation_fraction, config.split_seed + 1, "data.validation_fraction"
        )

    names = _classes(config, [archive for archive in (train, validation, test) if archive is not None])
    classes, merged = merged_classes(names, config.merge, config.ignore)
    table = np.full(IGNORE + 1, IGNORE, np.uint8)
    table[: len(names)] = merged
    source = {"train": train, "validation": validation or train, "test": test or train}
    task = _task(train)
    if not task.by_pixel and config.patch.size is not None:
        raise DataError(
            f"data.patch.size={config.patch.size}: Y of {train.path} has one class an image; set it to null"
        )
    channels = train.images.shape[3]
    patches = Patches(config.patch.size, config.patch.stride)
    for role, archive in source.items():
        if _task(archive) != task:
            raise DataError(
                f"{archive.path}: Y of the {role} images is for {_task(archive).name} where that of {train.path} is "
                f"for {task.name}; both need the same"
            )
        if archive.images.shape[3] != channels:
            raise DataError(
                f"{archive.path}: X has {archive.images.shape[3]} bands where {train.path} has {channels}; "
                f"the {role} images need the same bands"
            )
    splits: dict[str, ArraySplit | PatchSplit] = {}
    for role, archive in source.items():
        labels = _labels(archive, len(names), config.ignore_label)
        images = archive.images[rows[role]] if used is None else archive.images[rows[role]][..., list(used)]
        belongs = None if archive.groups is None else _numbered(archive.groups)[rows[role]]
        splits[role] = _split(
            images, table[labels[rows[role]]], patches, config.nodata, once=role != "train", groups=belongs
        )
    _require_several_classes(splits["train"], train.path)
    channels = splits["train"].image_shape[2]
    return Dataset(
        name="npz",
        classes=classes,
        palette=palette(len(classes)),
        bands=band_names(config, channels, "X"),
        rgb=shown_channels(config, channels),
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        normalization=fit_normalization(splits["train"], config.normalize),
        task=task,
        unlabelled=_unlabelled(Path(config.unlabelled), train, used, patches, config.nodata)
        if config.unlabelled is not None
        else None,
        standin=config.standin,
        remarks=(f"no data: {left_out} images without any valid pixel are left out",) * (left_out > 0),
        dtype=train.images.dtype.name,
        nodata=config.nodata,
        known_view=view_of_bands(train.images.shape[3]),
    )


def _with_data(archive: Archive, used: tuple[int, ...] | None, config: NpzConfig) -> np.ndarray:
    """The rows of the images that have a valid pixel in a band that is used.

    Raises:
        DataError: there is none.
    """
    if used is not None and max(used) >= archive.images.shape[3]:
        # That it has other bands than the training is said later.
        used = None
    rows = np.flatnonzero(~empty_images(archive.images, used, config.nodata))
    if not len(rows):
        raise DataError(f"{archive.path}: no image in X has a valid pixel; all of them are no data")
    return rows


def _unlabelled(
    path: Path, train: Archive, used: tuple[int, ...] | None, patches: Patches, nodata: float | None
) -> LateSplit:
    """Images alone, which are read when they are asked for, and are `IGNORE` everywhere.

    Raises:
        DataError: there is no such file.
    """
    require_file(path, ("X",))

    def read() -> Split:
        images = checked_images(read_arrays(path, ("X",))["X"], path, nodata)
        if images.shape[3] != train.images.shape[3]:
            raise DataError(
                f"{path}: X has {images.shape[3]} bands where {train.path} has {train.images.shape[3]}; the unlabelled "
                "images need the same bands"
            )
        images = images[~empty_images(images, used, nodata)]
        images = images if used is None else images[..., list(used)]
        return _split(images, np.full(images.shape[:3], IGNORE, np.uint8), patches, nodata)

    return LateSplit(read)


def _task(archive: Archive) -> Task:
    return CLASSIFICATION if archive.labels.shape[1:] == (1, 1) != archive.images.shape[1:3] else SEGMENTATION


def _split(
    images: np.ndarray,
    labels: np.ndarray,
    patches: Patches,
    nodata: float | None,
    *,
    once: bool = False,
    groups: np.ndarray | None = None,
) -> ArraySplit | PatchSplit:
    images = with_no_data(images, nodata)
    empty, masks = is_empty(images), _equal_masks(labels)
    if empty is not None and labels.shape == empty.shape:
        labels = np.where(empty, np.uint8(IGNORE), labels)
    if patches.size is None:
        return ArraySplit(images, labels, SourceImages(np.arange(len(images)), groups, masks))
    # Patches that overlap are many times what they are cut from.
    return PatchSplit(patches.prepare_all(images), patches.prepare_all(labels), patches, once, groups, masks)


def _equal_masks(labels: np.ndarray) -> np.ndarray:
    """A number (N,) for each of the masks (N, H, W), the same for equal ones, also in other splits."""
    digests = [hashlib.sha256(np.ascontiguousarray(mask).data).digest()[:8] for mask in labels]
    return np.frombuffer(b"".join(digests), np.int64)


def read_archive(path: Path, groups: str | None, *, groups_needed: bool = True, nodata: float | None = None) -> Archive:
    """Read and check `X`, `Y` and the array that `groups` names; objects are never unpickled.

    Without `groups_needed`, the array of groups may be missing. `nodata` may be any number, as NaN may be in `X`.
    """
    optional = (groups,) if groups is not None and not groups_needed else ()
    needed = (groups,) if groups is not None and groups_needed else ()
    arrays = read_arrays(path, ("X", "Y", *needed), optional)
    images = checked_images(arrays["X"], path, nodata)
    labels = _integers(arrays["Y"], images, path)
    return Archive(path, images, labels, _groups(arrays.get(groups or ""), images, path))


def _integers(labels: np.ndarray, images: np.ndarray, path: Path) -> np.ndarray:
    if labels.ndim == 4 and labels.shape[3] == 1:
        labels = labels[..., 0]
    of_images = labels.ndim == 1 or (labels.ndim == 2 and labels.shape[1] == 1)
    if of_images:
        labels = labels.reshape(-1, 1, 1)
    if labels.ndim != 3:
        raise DataError(
            f"{path}: Y has shape {labels.shape}; (images, height, width) is needed, or (images,) for a class an image"
        )
    if len(labels) != len(images):
        raise DataError(f"{path}: {len(images)} images in X but {len(labels)} masks in Y; each image needs its mask")
    if not of_images and labels.shape[1:] != images.shape[1:3]:
        raise DataError(
            f"{path}: masks of {labels.shape[1]}x{labels.shape[2]} in Y for images of "
            f"{images.shape[1]}x{images.shape[2]} in X; the sizes must be equal"
        )
    if labels.dtype.kind == "f":
        wrong = ~(np.abs(labels) < 2**53) | (labels != np.rint(labels))
        if wrong.any():
            bad = labels[wrong].flat[0]
            raise DataError(f"{path}: Y holds {bad}, which is not a class number; integers from 0 are needed")
        labels = labels.astype(np.int64)
    if labels.dtype.kind not in "iub":
        raise DataError(f"{path}: Y has type {labels.dtype}; integers from 0 are needed")
    return labels


def _groups(groups: np.ndarray | None, images: np.ndarray, path: Path) -> np.ndarray | None:
    if groups is not None and groups.shape != (len(images),):
        raise DataError(
            f"{path}: groups of shape {groups.shape} for {len(images)} images; one value an image is needed"
        )
    return groups


def _numbered(groups: np.ndarray) -> np.ndarray:
    """A number for each value: NaN, for one, is not equal to itself."""
    return np.unique(groups, return_inverse=True)[1].reshape(-1)


def _require_apart(train: Archive, other: Archive, name: str | None) -> None:
    """Refuse two files that share a group."""
    if train.groups is not None and other.groups is not None:
        shared = np.intersect1d(train.groups, other.groups)
        if len(shared):
            raise DataError(
                f"{other.path}: {len(shared)} values of {name} are in {train.path} too, {shared[0]} for one; "
                "images of one group must not be on both sides"
            )


def _classes(config: NpzConfig, archives: list[Archive]) -> tuple[str, ...]:
    if config.classes is not None:
        return tuple(config.classes)
    largest = 0
    for archive in archives:
        counted = archive.labels[_counted(archive.labels, config.ignore_label)]
        largest = max(largest, int(counted.max(initial=0)))
    if largest >= IGNORE:
        raise DataError(
            f"{archives[0].path}: Y holds the label {largest}, and at most {IGNORE} classes are possible; "
            f"if that label marks pixels to ignore, set data.ignore_label={largest}"
        )
    return tuple(f"class_{index}" for index in range(max(largest + 1, 2)))


def _counted(labels: np.ndarray, ignore_label: int | None) -> np.ndarray:
    return np.ones(labels.shape, bool) if ignore_label is None else labels != ignore_label


def _labels(archive: Archive, classes: int, ignore_label: int | None) -> np.ndarray:
    """Labels as uint8, `IGNORE` where they do not count."""
    counted = _counted(archive.labels, ignore_label)
    wrong = counted & ((archive.labels < 0) | (archive.labels >= classes))
    if wrong.any():
        image, row, column = np.argwhere(wrong)[0]
        raise DataError(
            f"{archive.path}: Y holds the label {archive.labels[image, row, column]} ({int(wrong.sum())} pixels out of "
            f"range, the first in image {image}), and the {classes} classes are 0 to {classes - 1}; "
            "add its name to data.classes, or set data.ignore_label"
        )
    labels = np.full(archive.labels.shape, IGNORE, np.uint8)
    labels[counted] = archive.labels[counted]
    return labels


def _require_several_classes(train: Split, path: Path) -> None:
    present = np.flatnonzero(survey_of(train).counts.sum(axis=0)[:IGNORE])
    if len(present) < 2:
        what = f"only the class {present[0]}" if len(present) else "no labelled pixel"
        raise DataError(f"{path}: {what} in the training masks; there is nothing to tell apart")
