"""Where a store lies, and what can be said about it before MLflow is imported."""

import hashlib
import os
import sqlite3
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlparse

import platformdirs

from segsweep.config.job_config import mask_credentials
from segsweep.errors import NoAnswerError, NoStoreError, StoreError

_SQLITE = "sqlite:///"
_SECONDS_TO_ANSWER = 10


@dataclass(frozen=True)
class StoreLocation:
    """A tracking URI, made absolute."""

    uri: str
    database: Path | None
    """The SQLite file, or None for a server or another database."""

    @property
    def shown(self) -> str:
        """The URI without user and password."""
        return mask_credentials(self.uri)

    @property
    def folder(self) -> Path:
        """For checkpoints and locks: beside an SQLite file, else in the user's cache."""
        if self.database is not None:
            return self.database.parent
        digest = hashlib.sha256(self.uri.encode()).hexdigest()[:16]
        return Path(platformdirs.user_cache_dir("segsweep")) / digest

    def artifact_root(self, experiment: str) -> str | None:
        """Where a new experiment's artifacts go; None lets the server decide."""
        if self.database is None:
            return None
        safe = "".join(char if char.isalnum() or char in "-_." else "_" for char in experiment)
        return (self.database.parent / "artifacts" / safe).as_uri()


def locate(uri: str) -> StoreLocation:
    """Understand a tracking URI; relative SQLite paths are made absolute.

    Raises:
        StoreError: MLflow's file store is asked for, or the scheme is unknown.
    """
    if uri.startswith(_SQLITE):
        path = uri.removeprefix(_SQLITE)
        if not path or path.startswith(":memory:"):
            raise StoreError(f"tracking.uri={uri}: a database in memory is lost at the end; name a file")
        database = Path(path).absolute()
        return StoreLocation(f"{_SQLITE}{database}", database)
    scheme = urlparse(uri).scheme
    if scheme in ("http", "https") or scheme.startswith(("postgresql", "mysql", "mssql")):
        return StoreLocation(uri, None)
    raise StoreError(
        f"tracking.uri={mask_credentials(uri)} is no store for runs; give sqlite:///PATH.db, postgresql://... or the "
        "http address of an MLflow server"
    )


def prepare_database(database: Path) -> None:
    """Make folder and file, and let readers and writers work side by side (write-ahead log).

    Raises:
        StoreError: the place cannot be written, or the file is not an SQLite database.
    """
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{database.parent}: cannot be made ({error.strerror}); set tracking.uri elsewhere") from error
    if not os.access(database.parent, os.W_OK) or (database.exists() and not os.access(database, os.W_OK)):
        raise StoreError(f"{database}: cannot be written; change its permissions or set tracking.uri elsewhere")
    try:
        connection = sqlite3.connect(database, timeout=60)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            # Takes the write lock and releases it: a read-only or full file system shows here, before any training.
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{database}: cannot be used as an SQLite database ({error})") from error


def require_database(database: Path) -> None:
    """Refuse to read a store that is not there, instead of making an empty one.

    Raises:
        StoreError: there is no such file.
    """
    if not database.is_file():
        raise NoStoreError(
            f"{database}: no such store; run a sweep first, or name the store with --tracking-uri sqlite:///PATH.db"
        )


def require_answer(uri: str) -> None:
    """Refuse an MLflow server that does not answer within seconds; MLflow itself would try for minutes.

    Raises:
        NoAnswerError: nothing answers there.
    """
    if not uri.startswith("http"):
        return
    try:
        urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=_SECONDS_TO_ANSWER).close()
    except urllib.error.HTTPError:
        # Somebody answers; a proxy may not let this page through.
        return
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise NoAnswerError(f"{mask_credentials(uri)}: no MLflow server answers there ({reason})") from error


def path_of(artifact_uri: str) -> Path | None:
    """The local folder behind an artifact URI; None for a remote one."""
    parsed = urlparse(artifact_uri)
    if parsed.scheme == "file":
        return Path(unquote(parsed.path))
    return Path(artifact_uri) if parsed.scheme == "" else None
