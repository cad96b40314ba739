"""Reading the artifacts of runs: found where they lie, fetched once where that is far, and never used when damaged."""

import contextlib
import hashlib
import os
import re
import tempfile
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException

from segsweep.errors import StoreError
from segsweep.tracking.location import StoreLocation, path_of
from segsweep.tracking.records import RunRecord

_IMAGES = "images"
"""Where MLflow puts pictures with steps."""


class Artifacts:
    """The artifacts of an experiment."""

    def __init__(self, location: StoreLocation, experiment: str, client: mlflow.MlflowClient):
        self._location = location
        self._experiment = experiment
        self._client = client

    def read(self, record: RunRecord, path: str) -> bytes | None:
        """The bytes of an artifact; None where it is missing or differs from its hash."""
        local = self.path(record, path)
        if local is None:
            return None
        content = local.read_bytes()
        expected = record.sha256.get(path)
        return content if expected is None or hashlib.sha256(content).hexdigest() == expected else None

    def required(self, record: RunRecord, path: str) -> bytes:
        """The content of an artifact.

        Raises:
            StoreError: it is missing, or its hash is not the one on the run.
        """
        content = self.read(record, path)
        if content is None:
            raise StoreError(f"run {record.run_id}: its {path} is missing or damaged; run the sweep again")
        return content

    def path(self, record: RunRecord, path: str) -> Path | None:
        """A local file with an artifact, fetched if it is remote; None where there is none.

        The artifacts of a store that was moved with its folder are found beside the database.
        """
        folder = path_of(record.artifact_uri)
        if folder is None:
            return self._fetched(record, path)
        candidates = [folder / path]
        if self._location.database is not None:
            root = path_of(self._location.artifact_root(self._experiment) or "")
            assert root is not None
            candidates.append(root / record.run_id / "artifacts" / path)
        return next((candidate for candidate in candidates if candidate.is_file()), None)

    def _fetched(self, record: RunRecord, path: str) -> Path | None:
        """A remote artifact, from where an earlier fetch put it if that is unchanged."""
        here = self._location.folder / "fetched" / record.run_id / path
        if here.is_file() and hashlib.sha256(here.read_bytes()).hexdigest() == record.sha256.get(path):
            return here
        here.parent.mkdir(parents=True, exist_ok=True)
        try:
            with tempfile.TemporaryDirectory(dir=self._location.folder) as folder:
                # Whole or not at all: other workers may be after the same file.
                os.replace(self._client.download_artifacts(record.run_id, path, folder), here)
        except (MlflowException, OSError):
            return None
        return here

    def images(self, record: RunRecord, key: str) -> list[tuple[int, bytes]]:
        """The pictures of a sequence as :meth:`Store.add_image` wrote them, by step; of one step the latest."""
        found: dict[int, tuple[int, str]] = {}
        for path in self._listed(record, _IMAGES):
            name = path.rpartition("/")[2]
            match = re.fullmatch(re.escape(key) + r"\+step\+(\d+)\+timestamp\+(\d+)\+[^+]+\.png", name)
            if match:
                step, when = map(int, match.groups())
                found[step] = max(found.get(step, (0, "")), (when, path))
        contents = ((step, self.path(record, path)) for step, (_, path) in sorted(found.items()))
        return [(step, local.read_bytes()) for step, local in contents if local is not None]

    def _listed(self, record: RunRecord, folder: str) -> list[str]:
        """Paths of the artifacts in a folder of the run."""
        place = path_of(record.artifact_uri)
        if place is None:
            with contextlib.suppress(MlflowException):
                return [each.path for each in self._client.list_artifacts(record.run_id, folder)]
            return []
        moved = path_of(self._location.artifact_root(self._experiment) or "")
        places = [place, *([moved / record.run_id / "artifacts"] if moved is not None else [])]
        existing = next((each / folder for each in places if (each / folder).is_dir()), None)
        return [f"{folder}/{path.name}" for path in sorted(existing.iterdir())] if existing is not None else []

    def are_intact(self, record: RunRecord, *, fetch: bool = True) -> bool:
        """Whether the run is finished and every artifact with a known hash is there, unchanged.

        Without `fetch`, remote artifacts are taken to be as they were written.
        """
        if not fetch and path_of(record.artifact_uri) is None:
            return record.is_finished and bool(record.sha256)
        return record.is_finished and all(self.read(record, path) is not None for path in record.sha256)

    def size(self, record: RunRecord, path: str) -> int:
        """Bytes of an artifact where it lies; 0 where there is none."""
        if path_of(record.artifact_uri) is not None:
            local = self.path(record, path)
            return local.stat().st_size if local is not None else 0
        try:
            listed = self._client.list_artifacts(record.run_id, str(Path(path).parent))
        except MlflowException:
            return 0
        return next((int(each.file_size or 0) for each in listed if each.path == path), 0)

    def remove(self, record: RunRecord, path: str) -> None:
        """Delete an artifact; the run stays."""
        local = self.path(record, path) if path_of(record.artifact_uri) is not None else None
        if local is not None:
            local.unlink()
            return
        # It brings the clients of all kinds of storage with it.
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        get_artifact_repository(record.artifact_uri).delete_artifacts(path)
