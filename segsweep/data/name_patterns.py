"""Finding files by patterns such as `images/*.png`, and pairing them by what the `*` stand for."""

import glob
import re
from pathlib import Path

from segsweep.errors import ConfigError, DataError

Match = tuple[str, ...]
"""What each `*` stands for."""


def require_same_stars(images: str, masks: str) -> None:
    """Refuse two patterns that cannot be paired.

    Raises:
        ConfigError: naming them.
    """
    for setting, pattern in (("data.images", images), ("data.masks", masks)):
        if "**" in pattern or "*" not in pattern:
            raise ConfigError(f"{setting}={pattern} must hold at least one *, each for one part of a name")
    if images.count("*") != masks.count("*"):
        raise ConfigError(
            f"data.images={images} and data.masks={masks} must hold as many *; what they stand for pairs the files"
        )


def matching_files(root: Path, pattern: str, setting: str, *, needed: bool = True) -> dict[Match, Path]:
    """The files of `root` that match, by what each `*` stands for, in order.

    Raises:
        ConfigError: the pattern lies elsewhere.
        DataError: there is none, though some are needed.
    """
    pattern = within(root, Path(pattern), setting) if Path(pattern).is_absolute() else pattern
    parts = pattern.split("*")
    expression = re.compile("([^/]*)".join(map(re.escape, parts)))
    found = {}
    for name in sorted(glob.glob("*".join(map(glob.escape, parts)), root_dir=root)):
        match = expression.fullmatch(name.replace("\\", "/"))
        if match is not None and (root / name).is_file():
            found[match.groups()] = root / name
    if not found and needed:
        there = sorted(path.relative_to(root).as_posix() for path in root.glob("*"))
        raise DataError(
            f"{setting}: no file in {root} matches {pattern}; "
            + (f"there are {', '.join(there[:5])}{', ...' if len(there) > 5 else ''}" if there else "it is empty")
        )
    return found


def within(root: Path, path: Path, setting: str) -> str:
    """What of a path, or of a pattern, is below `root`.

    Raises:
        ConfigError: nothing is.
    """
    if not path.absolute().is_relative_to(root.absolute()):
        raise ConfigError(f"{setting}: {path} must lie in data.root={root}; give it from there")
    return path.absolute().relative_to(root.absolute()).as_posix()
