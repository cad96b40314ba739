"""Files that people ask for: written whole or not at all."""

import os
from collections.abc import Iterable
from pathlib import Path

from segsweep.errors import SegsweepError


def refuse_existing(option: str, paths: Iterable[Path], *, force: bool) -> None:
    """Complain of the first of `paths` that is there, unless it may be replaced.

    Raises:
        SegsweepError: it exists.
    """
    existing = None if force else next((path for path in paths if path.exists()), None)
    if existing is not None:
        raise SegsweepError(f"{option} {existing}: the file exists; give another name, or --force to replace it")


def refuse_unwritable(option: str, path: Path, *, force: bool) -> None:
    """Complain of a file that could not be written, or may not be replaced: before the work for it is done.

    Raises:
        SegsweepError: it exists, is a folder, or its folder is not there or takes no files.
    """
    if path.is_dir():
        raise SegsweepError(f"{option} {path}: is a folder; give the name of a file")
    refuse_existing(option, [path], force=force)
    if not path.parent.is_dir():
        raise SegsweepError(f"{option} {path}: there is no folder {path.parent}; make it, or choose another place")
    if not os.access(path.parent, os.W_OK):
        raise SegsweepError(f"{option} {path}: the folder {path.parent} takes no files; choose another place")


def write_whole(option: str, path: Path, content: str | bytes) -> None:
    """Write a file that `option` of the command line asks for; a reader never sees a part of it.

    Raises:
        SegsweepError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(temporary, path)
    except OSError as error:
        raise SegsweepError(f"{option} {path}: cannot be written ({error.strerror}); choose another place") from error
    finally:
        temporary.unlink(missing_ok=True)
