"""Stand-ins: small generated data sets in the format of data that must be downloaded, read as that is read."""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from segsweep.config.data_schema import DownloadedDataConfig
from segsweep.config.keys import content_key, versions
from segsweep.data import (
    cifar100,
    image_folder,
    parcel_layout,
    parcel_spectra,
    standin_files,
    standin_labels,
    standin_scenes,
    synthetic_parcels,
)
from segsweep.data.array_cache import cache_folder
from segsweep.errors import DataError

WRITERS: dict[str, Callable[[Any, Path], None]] = {
    "cifar100": standin_labels.write_cifar100,
    "class_folders": standin_labels.write_class_folders,
    "image_folder": standin_files.write_image_folder,
    "npz": standin_files.write_npz,
    "oxford_pets": standin_files.write_oxford_pets,
    "voc": standin_files.write_voc,
}
"""By source, what writes its files into an empty folder."""

_BEAR_ON_FILES = (
    *("name", "images", "masks", "unlabelled", "palette", "palette_tolerance", "ids", "classes", "ignore_label"),
    *("groups", "channels", "bands", "size", "patch"),
)
"""Settings that decide what is written."""

_UNUSED_SECONDS = 30 * 24 * 3600
"""After so long without any use a stand-in is removed, when another one is written."""

_SHARED_CODE = (
    cifar100,
    standin_labels,
    image_folder,
    standin_files,
    standin_scenes,
    synthetic_parcels,
    parcel_layout,
    parcel_spectra,
)


def with_standin(config: DownloadedDataConfig) -> DownloadedDataConfig:
    """The settings that read the stand-in, which is written if it was not yet; it comes with lists of its own.

    Raises:
        DataError: it cannot be written.
    """
    folder = _written(config)
    places: dict[str, Any] = {"validation": None, "train": None, "test": None, "root": str(folder)}
    if config.name == "cifar100":
        places = {"root": str(folder)}
    if config.name == "npz":
        places = {"validation": None, "train": str(folder / "train.npz"), "test": str(folder / "test.npz")}
    return replace(config, **places)


def _written(config: DownloadedDataConfig) -> Path:
    """The folder of the stand-in, whole."""
    settings = {name: value for name, value in asdict(config).items() if name in _BEAR_ON_FILES}
    code = [Path(module.__file__ or "").read_text(encoding="utf-8") for module in _SHARED_CODE]
    key = content_key({"settings": settings, "code": code, **versions("numpy", "pillow")})
    folder = cache_folder("standins") / f"{config.name}-{key[:16]}"
    if folder.is_dir():
        with contextlib.suppress(OSError):
            # So it is seen to be in use.
            os.utime(folder)
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.is_dir():
                _write(config, folder)
                _remove_unused(folder.parent)
    except OSError as error:
        raise DataError(f"data.standin: cannot write {folder} ({error.strerror}); set XDG_CACHE_HOME") from error
    return folder


def _remove_unused(parent: Path) -> None:
    """Remove what nobody has asked for in a long time, such as the stand-ins of earlier versions."""
    for path in parent.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _UNUSED_SECONDS:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _write(config: DownloadedDataConfig, folder: Path) -> None:
    """Write the folder whole or not at all."""
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix="unfinished-"))
    try:
        WRITERS[config.name](config, temporary)
        os.replace(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
