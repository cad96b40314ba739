"""Arrays that take long to generate, kept in the user's cache folder between processes."""

import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from segsweep.config.keys import content_key, versions

_FILES_KEPT = {"generated": 8, "surveys": 64}
"""By folder: what was generated is large, what was found out about files is small."""
_LARGEST = 512 * 2**20
"""Bytes of arrays that are still kept."""


def cache_folder(name: str) -> Path:
    """A folder for what segsweep may make again at any time."""
    return Path(platformdirs.user_cache_dir("segsweep")) / name


def cached_arrays(
    name: str,
    settings: Mapping[str, Any],
    code: Sequence[Path],
    make: Callable[[], dict[str, np.ndarray]],
    *,
    folder: str = "generated",
) -> dict[str, np.ndarray]:
    """What `make` returns, from the cache where it was made before.

    Args:
        name: of what is generated; begins the file's name.
        settings: all that `make` depends on.
        code: the files that generate; when one of them changes, what was kept is not used again.
        make: generates the arrays by name.
        folder: of the cache, `generated` or `surveys`.
    """
    key = content_key(
        {"settings": settings, "code": [path.read_text(encoding="utf-8") for path in code], **versions("numpy")}
    )
    path = cache_folder(folder) / f"{name}-{key[:24]}.npz"
    try:
        with np.load(path, allow_pickle=False) as kept:
            return {each: kept[each] for each in kept.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        # Not there, or damaged: each array in the file has a checksum.
        arrays = make()
        if sum(array.nbytes for array in arrays.values()) <= _LARGEST:
            _keep(path, arrays)
        return arrays


def _keep(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write the file whole or not at all, and remove the oldest ones; without a place to write to, do nothing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
            try:
                np.savez(file, **arrays)  # type: ignore[arg-type]
                file.close()
                os.replace(file.name, path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        newest_first = sorted(path.parent.glob("*.npz"), key=lambda each: each.stat().st_mtime, reverse=True)
        for old in newest_first[_FILES_KEPT[path.parent.name] :]:
            old.unlink(missing_ok=True)
    except OSError:
        return
