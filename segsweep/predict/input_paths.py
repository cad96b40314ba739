"""Which files are meant: paths, folders and patterns, and that no two of them become one output."""

import glob
from collections.abc import Iterable, Sequence
from pathlib import Path

from segsweep.errors import DataError
from segsweep.predict.request import SUFFIXES


def input_paths(words: Sequence[str]) -> tuple[Path, ...]:
    """The files that the words name, each once, in their order; those of a folder or a pattern sorted.

    Raises:
        DataError: a file is missing or of no known kind, a folder or pattern has none, two files have one stem.
    """
    found = tuple(dict.fromkeys(path for word in words for path in _files(word)))
    seen: dict[str, Path] = {}
    for path in found:
        if path.stem in seen:
            raise DataError(
                f"{seen[path.stem]} and {path}: both would be written as {path.stem}_...; "
                "rename one, or give them in two commands with an --output each"
            )
        seen[path.stem] = path
    return found


def _files(word: str) -> Iterable[Path]:
    path = Path(word)
    if path.is_dir():
        files = sorted(each for each in path.iterdir() if _is_input(each))
        if not files:
            raise DataError(f"{path}: no image in this folder; images end in {', '.join(SUFFIXES)}")
        return files
    if path.exists():
        if path.suffix.lower() not in SUFFIXES:
            raise DataError(f"{path}: not an image by its name; images end in {', '.join(SUFFIXES)}")
        return [path]
    if glob.has_magic(word):
        files = sorted(each for each in map(Path, glob.glob(word, recursive=True)) if _is_input(each))
        if not files:
            raise DataError(f"{word}: no image has such a name; images end in {', '.join(SUFFIXES)}")
        return files
    raise DataError(f"{path}: no such file")


def _is_input(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
