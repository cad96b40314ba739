"""Files that name the images of a split, one a line."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from segsweep.data.file_split import FilePair
from segsweep.data.name_patterns import within
from segsweep.errors import DataError


def read_list(path: Path, *, first_word: bool = False) -> list[str]:
    """The lines of a list, without empty ones and comments (`#`); with `first_word`, only what stands before a space.

    Raises:
        DataError: it cannot be read, or names nothing.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no text in UTF-8, the name of an image a line; save it as UTF-8") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); a list of images is needed") from error
    names = [line.split()[0] if first_word else line for line in lines if line and not line.startswith("#")]
    if not names:
        raise DataError(f"{path}: names no image; give the name of an image a line")
    return names


def is_list(path: Path | None, root: Path) -> bool:
    """Whether a file is given that names images, and no pattern of their paths: a `*` in `root` itself makes none."""
    if path is None:
        return False
    below = path.absolute().is_relative_to(root.absolute())
    return "*" not in str(path.absolute().relative_to(root.absolute()) if below else path)


def rows_matching(pattern: Path, pairs: Sequence[FilePair], root: Path) -> np.ndarray:
    """The indices in `pairs` of those whose image's path in `root` matches a pattern such as `ROOT/train/*`.

    Raises:
        ConfigError: the pattern lies elsewhere.
        DataError: it matches none.
    """
    wanted = within(root, pattern, "data.train, data.validation, data.test")
    paths = [pair.image.relative_to(root).as_posix() for pair in pairs]
    rows = [index for index, path in enumerate(paths) if fnmatchcase(path, wanted)]
    if not rows:
        example = pairs[0].image if pairs else "none"
        raise DataError(f"{pattern}: matches no image that has a mask; images are like {example}")
    return np.array(rows)


def rows_of(names: Sequence[str], pairs: Sequence[FilePair], root: Path, listed_in: Path) -> np.ndarray:
    """The indices in `pairs` of those named, each once, ascending.

    A line is a pair's name, the path of its image in `root`, or the name of its image or mask, with or without ending.

    Raises:
        DataError: a name is none of them, or one of several.
    """
    known: dict[str, set[int]] = {}
    for index, pair in enumerate(pairs):
        files = [path for path in (pair.image, pair.mask) if path is not None]
        paths = [path.relative_to(root).as_posix() for path in files]
        for alias in {pair.name, *paths, *(path.name for path in files), *(path.stem for path in files)}:
            known.setdefault(alias, set()).add(index)
    absent = [name for name in names if name not in known]
    if absent:
        example = pairs[0].name if pairs else "none"
        raise DataError(
            f"{listed_in}: {len(absent)} of {len(names)} lines name no image of {root}, {absent[0]} for one; "
            f"names are like {example}"
        )
    for name in names:
        if len(known[name]) > 1:
            several = ", ".join(pairs[index].image.relative_to(root).as_posix() for index in sorted(known[name])[:2])
            raise DataError(f"{listed_in}: {name} may be any of {len(known[name])} images ({several}); give the path")
    return np.unique([index for name in names for index in known[name]])


def named_images(lists: Mapping[str, Path | None], root: Path, whole: Path) -> list[str]:
    """All that these lists name, each once, in order.

    Args:
        lists: by role.
        root: where patterns begin.
        whole: the list that patterns choose from, and whose rest is for training where no list is.
    """
    read = [path for path in lists.values() if path is not None and is_list(path, root)]
    patterns = any(path is not None and not is_list(path, root) for path in lists.values())
    if patterns or lists["train"] is None:
        read.append(whole)
    return sorted({name for path in read for name in read_list(path, first_word=True)})


def absent_files(pairs: Sequence[FilePair]) -> list[str]:
    """What is wrong with pairs of which a file is not there."""
    paths = [path for pair in pairs for path in (pair.image, pair.mask) if path is not None]
    return [f"{path}: no such file, though a list names it" for path in paths if not path.is_file()]
