"""Images and masks in folders, paired by their names."""

import re
from pathlib import Path

from segsweep.config.data_schema import ImageFolderConfig
from segsweep.data.dataset import Dataset
from segsweep.data.file_lists import is_list
from segsweep.data.file_source import Files, folder_of, lists_of, load_files, view_of_files
from segsweep.data.file_split import FilePair
from segsweep.data.image_files import kind_of
from segsweep.data.labelling import Labelling, labelling, parse_colour
from segsweep.data.name_patterns import matching_files, require_same_stars
from segsweep.errors import ConfigError, DataError


def load(config: ImageFolderConfig) -> Dataset:
    """The data set of the files that `config` describes.

    Raises:
        ConfigError: the settings do not fit each other.
        DataError: a file is missing, broken, or holds what cannot be used.
    """
    require_same_stars(config.images, config.masks)
    meaning = labelling_of(config)
    root = folder_of(config)
    images = matching_files(root, config.images, "data.images")
    masks = matching_files(root, config.masks, "data.masks")
    without = (
        matching_files(root, config.unlabelled, "data.unlabelled", needed=False)
        if config.unlabelled is not None
        else {}
    )
    # `*/*.png` matches the masks in `*annot/*.png` too.
    apart = {*without.values(), *masks.values()}
    images = {match: path for match, path in images.items() if path not in apart}
    if not images:
        others = " and ".join(f"data.{name}={getattr(config, name)}" for name in ("masks", "unlabelled"))
        raise DataError(f"data.images={config.images}: all files that match are those of {others} too")
    pairs = [FilePair("/".join(match), path, masks[match]) for match, path in images.items() if match in masks]
    lists = lists_of(config, root)
    first = pairs[0].image if pairs else next(iter(images.values()))
    kind = kind_of(first, len(config.bands) if config.bands is not None else None)
    return load_files(
        config,
        Files(
            root=root,
            pairs=pairs,
            kind=kind,
            labelling=meaning,
            lists=lists,
            groups=_groups(config.groups, [pair.image.relative_to(root).as_posix() for pair in pairs]),
            unlabelled=[FilePair("/".join(match), path, None) for match, path in without.items()],
            # What no list names need not be a pair.
            problems=[] if is_list(lists["train"], root) else _singles(images, masks),
            remarks=_remarks(config, without),
            view=view_of_files(first, kind),
        ),
    )


def _remarks(config: ImageFolderConfig, without: dict[tuple[str, ...], Path]) -> list[str]:
    missing = config.unlabelled is not None and not without
    return [f"data.unlabelled={config.unlabelled} matches no file; there are no images without a mask"] * missing


def _singles(images: dict[tuple[str, ...], Path], masks: dict[tuple[str, ...], Path]) -> list[str]:
    """What is wrong with files that are no pair."""
    no_mask = [f"{images[match]}: has no mask" for match in images if match not in masks]
    no_image = [f"{masks[match]}: has no image" for match in masks if match not in images]
    return no_mask + no_image


def labelling_of(config: ImageFolderConfig) -> Labelling:
    """What the numbers in the masks mean.

    Raises:
        ConfigError: the classes are not given, or in two ways.
    """
    given = [name for name in ("palette", "ids") if getattr(config, name)]
    if len(given) == 2:
        raise ConfigError("data.palette and data.ids are both set; masks hold colours or ids, so give one")
    if config.palette and config.ignore_label is not None:
        raise ConfigError(
            f"data.ignore_label={config.ignore_label} is no colour of data.palette; name the colour there, "
            "and the class in data.ignore"
        )
    if config.palette:
        stored = {name: parse_colour(text, f"data.palette.{name}") for name, text in config.palette.items()}
    elif config.ids:
        stored = dict(config.ids)
    elif config.classes is not None:
        stored = {name: number for number, name in enumerate(config.classes)}
    else:
        raise ConfigError("data.classes is not set; give the names of the ids 0, 1, ..., or data.palette, or data.ids")
    if config.classes is not None and len(set(config.classes)) == len(config.classes):
        if set(config.classes) != set(stored):
            raise ConfigError(f"data.classes: {', '.join(config.classes)} are not those of data.{given[0]}")
        stored = {name: stored[name] for name in config.classes}
    _require_numbers(stored, config)
    return labelling(
        stored,
        merge=config.merge,
        ignore=config.ignore,
        ignore_label=config.ignore_label,
        coloured=bool(config.palette),
        tolerance=config.palette_tolerance if config.palette else 0,
    )


def _require_numbers(stored: dict[str, int], config: ImageFolderConfig) -> None:
    twice = len(set(stored.values())) != len(stored)
    if twice or not all(0 <= value < 2**16 or config.palette for value in stored.values()):
        setting = "data.palette" if config.palette else "data.ids"
        raise ConfigError(f"{setting}: each class needs another {'colour' if config.palette else 'id from 0 to 65535'}")
    if not config.palette and config.ignore_label in stored.values():
        name = next(name for name, value in stored.items() if value == config.ignore_label)
        raise ConfigError(f"data.ignore_label={config.ignore_label} is the id of {name}; use data.ignore=[{name}]")


def _groups(expression: str | None, paths: list[str]) -> list[str] | None:
    """What the regular expression finds in each path."""
    if expression is None:
        return None
    try:
        compiled = re.compile(expression)
    except re.error as error:
        raise ConfigError(f"data.groups={expression} is no regular expression: {error}") from error
    found = []
    for path in paths:
        match = compiled.search(path)
        if match is None:
            raise ConfigError(f"data.groups={expression} is not found in {path}; each image needs its group")
        found.append(match.group(1) if compiled.groups else match.group())
    return found
