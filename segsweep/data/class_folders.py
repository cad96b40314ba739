"""A folder of images for each class, as a data source."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from segsweep.config.data_schema import ClassFoldersConfig
from segsweep.data.dataset import Dataset
from segsweep.data.file_source import Files, folder_of, lists_of, load_files, view_of_files
from segsweep.data.file_split import FilePair, FileSplit
from segsweep.data.image_files import RASTERS, kind_of
from segsweep.data.labelling import labelling
from segsweep.data.survey import LABELS, Survey
from segsweep.data.task import CLASSIFICATION
from segsweep.errors import DataError

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", *RASTERS)
_SIDES = {"train": ("train",), "validation": ("validation", "valid", "val"), "test": ("test",)}
"""Folders that divide the images, where the settings name no lists; the first that is there counts."""


@dataclass(frozen=True, eq=False)
class ClassSplit:
    """Images in files, each with one class."""

    inner: FileSplit = field(repr=False)
    classes: np.ndarray = field(repr=False)
    """(N,) uint8; `IGNORE` where the image counts nowhere."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.inner.image_shape

    @cached_property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.inner.fingerprint.encode() + self.classes.tobytes()).hexdigest()

    @cached_property
    def survey(self) -> Survey:
        known = self.inner.survey
        counts = np.zeros((len(self.classes), LABELS), np.int32)
        counts[np.arange(len(self.classes)), self.classes] = known.counts.sum(axis=1)
        return replace(known, counts=counts)

    def __len__(self) -> int:
        return len(self.inner)

    def read(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images, _ = self.inner.read(indices)
        return images, self.classes[indices][:, None, None]


def load(config: ClassFoldersConfig) -> Dataset:
    """The images in folders named like their classes.

    Raises:
        ConfigError: the settings do not fit each other.
        DataError: a file is missing, broken, or holds what cannot be used.
    """
    root = folder_of(config)
    paths = [path for path in sorted(root.rglob("*")) if _is_image(path.relative_to(root))]
    if not paths:
        raise DataError(f"{root}: no image in a folder of it; give a folder with a folder of images for each class")
    found = sorted({path.parent.name for path in paths})
    names = list(config.classes or found)
    strangers = sorted(set(found) - set(names))
    if strangers:
        raise DataError(f"{root}: the folder {strangers[0]} is no class of data.classes; there are {', '.join(names)}")
    meaning = labelling(
        {name: number for number, name in enumerate(names)},
        merge=config.merge,
        ignore=config.ignore,
        ignore_label=None,
    )
    pairs = [FilePair(path.relative_to(root).as_posix(), path, None) for path in paths]
    lists = lists_of(config, root)
    if not any(lists.values()):
        lists = _divided(root, paths)
    kind = kind_of(paths[0], len(config.bands) if config.bands is not None else None)
    dataset = load_files(
        config,
        Files(
            root=root,
            pairs=pairs,
            kind=kind,
            labelling=meaning,
            lists=lists,
            view=view_of_files(paths[0], kind),
        ),
    )
    numbers = {name: number for number, name in enumerate(names)}

    def labelled(split: FileSplit) -> ClassSplit:
        stored = np.array([numbers[_folder(split.pairs, row).name] for row in split.source])
        return ClassSplit(split, meaning.apply(stored))

    train, validation, test = dataset.train, dataset.validation, dataset.test
    assert isinstance(train, FileSplit)
    assert isinstance(validation, FileSplit)
    assert isinstance(test, FileSplit)
    return replace(
        dataset, task=CLASSIFICATION, train=labelled(train), validation=labelled(validation), test=labelled(test)
    )


def _is_image(path: Path) -> bool:
    """Whether it is an image in a folder of a class; what programs keep for themselves begins with a point."""
    hidden = any(part.startswith(".") for part in path.parts)
    return path.suffix.lower() in ENDINGS and len(path.parts) > 1 and not hidden


def _divided(root: Path, paths: Sequence[Path]) -> dict[str, Path | None]:
    """The pattern of each side that has a folder of its own.

    Raises:
        DataError: there is a folder for training, and images beside it that belong to no side.
    """
    found = {
        role: next((folder for folder in folders if (root / folder).is_dir()), None) for role, folders in _SIDES.items()
    }
    if found["train"] is not None:
        others = {path.relative_to(root).parts[0] for path in paths} - set(found.values())
        if others:
            known = ", ".join(folder for folders in _SIDES.values() for folder in folders)
            raise DataError(
                f"{root}: the folder {min(others)} beside {found['train']} is no side of the data; call it one of "
                f"{known}, or say what data.train, data.validation and data.test are"
            )
    return {role: root / folder / "*" if folder is not None else None for role, folder in found.items()}


def _folder(pairs: Sequence[FilePair], row: int) -> Path:
    return pairs[row].image.parent
