"""Runs in, typed records out: the only place that calls MLflow."""

import contextlib
import getpass
import hashlib
import json
import logging
import os
import socket
import sqlite3
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

# Must be set before the import to have an effect.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow
import psutil
from filelock import FileLock
from mlflow.entities import Metric, Param, Run, RunStatus, RunTag
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from segsweep.errors import NoStoreError, StoreError
from segsweep.tracking import names
from segsweep.tracking.location import (
    StoreLocation,
    locate,
    path_of,
    prepare_database,
    require_answer,
    require_database,
)
from segsweep.tracking.records import RunRecord

for _chatty in ("mlflow", "alembic"):
    logging.getLogger(_chatty).setLevel(logging.WARNING)
logging.getLogger("urllib3").setLevel(logging.ERROR)

_PAGE = 1000
_METRICS_A_BATCH = 1000
_PARAMS_A_BATCH = 100
_LONGEST_VALUE = 6000
_LONGEST_TAG = 8000


class Store:
    """An experiment of a tracking store."""

    def __init__(self, location: StoreLocation, experiment: str, client: mlflow.MlflowClient, experiment_id: str):
        self.location = location
        self.experiment = experiment
        self._client = client
        self._experiment_id = experiment_id

    @classmethod
    def open(cls, uri: str, experiment: str) -> "Store":
        """Open a store for writing; database, schema and experiment are made where they are missing.

        To be called once before workers start: many processes that race to create the schema fail.

        Raises:
            StoreError: the store cannot be reached or written, or was made by a newer MLflow.
        """
        location = locate(uri)
        require_answer(location.uri)
        if location.database is None:
            return cls._opened(location, experiment)
        prepare_database(location.database)
        # MLflow makes tables and experiment without any lock.
        with FileLock(location.database.with_suffix(".lock")):
            store = cls._opened(location, experiment)
            store._follow_moved_folder()
            return store

    @classmethod
    def _opened(cls, location: StoreLocation, experiment: str) -> "Store":
        with _as_store_errors(location):
            client = mlflow.MlflowClient(tracking_uri=location.uri)
            found = client.get_experiment_by_name(experiment)
            if found is None:
                try:
                    experiment_id = client.create_experiment(experiment, location.artifact_root(experiment))
                except MlflowException:
                    # Another process may have been quicker.
                    found = client.get_experiment_by_name(experiment)
                    if found is None:
                        raise
                    experiment_id = found.experiment_id
            else:
                experiment_id = found.experiment_id
                if found.lifecycle_stage != "active":
                    raise StoreError(
                        f"tracking.experiment={experiment} was deleted in {location.shown}; "
                        "restore it in the MLflow UI, or choose another name"
                    )
        return cls(location, experiment, client, experiment_id)

    @classmethod
    def open_to_read(cls, uri: str, experiment: str) -> "Store":
        """Open a store that must already hold the experiment.

        Raises:
            StoreError: there is no such store or experiment.
        """
        location = locate(uri)
        require_answer(location.uri)
        if location.database is not None:
            require_database(location.database)
        with _as_store_errors(location):
            client = mlflow.MlflowClient(tracking_uri=location.uri)
            found = client.get_experiment_by_name(experiment)
            if found is None:
                known = ", ".join(sorted(each.name for each in client.search_experiments())) or "none"
                raise NoStoreError(f"no experiment {experiment} in {location.shown}; there are: {known}")
        return cls(location, experiment, client, found.experiment_id)

    def _follow_moved_folder(self) -> None:
        """Let new runs write beside the database, and the UI find the old ones, where the store's folder was moved."""
        database, root = self.location.database, self.location.artifact_root(self.experiment)
        assert database is not None
        assert root is not None
        recorded = self._client.get_experiment(self._experiment_id).artifact_location
        old, new = path_of(recorded), path_of(root)
        if old is None or new is None or old == new or old.exists() or not new.exists():
            return
        with contextlib.closing(sqlite3.connect(database, timeout=60)) as connection, connection:
            experiment = int(self._experiment_id)
            connection.execute(
                "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (root, experiment)
            )
            connection.execute(
                "UPDATE runs SET artifact_uri = replace(artifact_uri, ?, ?) WHERE experiment_id = ?",
                (recorded, root, experiment),
            )

    # Writing

    def create_run(
        self, kind: str, name: str, *, parent: str | None, tags: Mapping[str, str], params: Mapping[str, Any]
    ) -> str:
        """Begin a run, marked with the process that makes it, and return its id."""
        all_tags = {names.KIND: kind, names.SOURCE_NAME: "segsweep", **_user_tags(), **tags, **_process_tags()}
        if parent is not None:
            all_tags[names.PARENT_RUN] = parent
        run = self._client.create_run(
            self._experiment_id,
            run_name=name,
            tags={key: value[:_LONGEST_TAG] for key, value in all_tags.items()},
        )
        self.log(run.info.run_id, params=params)
        return str(run.info.run_id)

    def reopen_run(self, run_id: str, *, parent: str, tags: Mapping[str, str]) -> None:
        """Make an interrupted run this process's own, under `parent` and with these tags."""
        self._client.update_run(run_id, status="RUNNING")
        self.log(run_id, tags={**tags, **_process_tags(), names.PARENT_RUN: parent})
        with contextlib.suppress(MlflowException):
            self._client.delete_tag(run_id, names.FAILURE)

    def log(
        self,
        run_id: str,
        *,
        metrics: Mapping[str, float] | None = None,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Add metrics, params and tags in as few calls as possible; numbers that are not finite are left out."""
        now = time.time_ns() // 1_000_000
        finite = [Metric(name, float(value), now, 0) for name, value in (metrics or {}).items() if _is_finite(value)]
        texts = [Param(name, _text(value)) for name, value in (params or {}).items()]
        tag_list = [RunTag(name, value[:_LONGEST_TAG]) for name, value in (tags or {}).items()]
        first, rest = texts[:_PARAMS_A_BATCH], texts[_PARAMS_A_BATCH:]
        self._client.log_batch(run_id, metrics=finite, params=first, tags=tag_list)
        for start in range(0, len(rest), _PARAMS_A_BATCH):
            self._client.log_batch(run_id, params=rest[start : start + _PARAMS_A_BATCH])

    def log_history(self, run_id: str, points: Sequence[tuple[str, float, int, int]]) -> None:
        """Add metric values (name, value, step, milliseconds since 1970)."""
        metrics = [Metric(name, value, when, step) for name, value, step, when in points if _is_finite(value)]
        for start in range(0, len(metrics), _METRICS_A_BATCH):
            self._client.log_batch(run_id, metrics=metrics[start : start + _METRICS_A_BATCH])

    def add_artifacts(self, run_id: str, files: Mapping[str, bytes]) -> None:
        """Write artifacts (path in the run to bytes), then note their hashes on the run."""
        with tempfile.TemporaryDirectory(prefix="segsweep-") as folder:
            for path, content in files.items():
                target = Path(folder) / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
            self._client.log_artifacts(run_id, folder)
        self.log(
            run_id,
            tags={names.SHA256 + path: hashlib.sha256(content).hexdigest() for path, content in files.items()},
        )

    def finish(self, run_id: str, status: str) -> None:
        """End a run as `FINISHED`, `FAILED` or `KILLED`."""
        self._client.set_terminated(run_id, status)

    @contextlib.contextmanager
    def run(
        self, kind: str, name: str, *, parent: str | None, tags: Mapping[str, str], params: Mapping[str, Any]
    ) -> Iterator[str]:
        """A run around a piece of work: FINISHED at its end, FAILED when it raises, KILLED when it is stopped."""
        run_id = self.create_run(kind, name, parent=parent, tags=tags, params=params)
        with self.ending(run_id):
            yield run_id

    @contextlib.contextmanager
    def ending(self, run_id: str) -> Iterator[None]:
        """End `run_id` as the enclosed work ends."""
        try:
            yield
        except Exception as error:
            self.fail(run_id, error)
            raise
        except BaseException:
            with contextlib.suppress(Exception):
                self.finish(run_id, "KILLED")
            raise
        self.finish(run_id, "FINISHED")

    def fail(self, run_id: str, error: BaseException) -> None:
        """End a run as FAILED, with the reason as tag and the traceback as artifact, as far as the store lets us."""
        with contextlib.suppress(Exception):
            self.log(run_id, tags={names.FAILURE: reason_of(error)})
        with contextlib.suppress(Exception):
            text = "".join(traceback.format_exception(error))
            self._client.log_text(run_id, text, names.FAILURE_FILE)
        with contextlib.suppress(Exception):
            self.finish(run_id, "FAILED")

    def end_running(
        self, sweep_id: str, status: str, reason: str, *, job: int | None = None, details: str = ""
    ) -> list[RunRecord]:
        """End the runs that jobs of a sweep left RUNNING, and return them; their processes must be gone or idle.

        Args:
            sweep_id: of the sweep.
            status: how they end.
            reason: why, one line.
            job: number of the only job that is meant.
            details: more about the reason, for the artifact.
        """
        condition = f"attributes.status = 'RUNNING' AND tags.`{names.SWEEP_ID}` = '{sweep_id}'"
        if job is not None:
            condition += f" AND tags.`{names.JOB}` = '{job}'"
        left = [record for record in self.search(condition) if record.kind != names.SWEEP]
        for record in left:
            self.log(record.run_id, tags={names.FAILURE: reason})
            if details:
                self._client.log_text(record.run_id, details, names.FAILURE_FILE)
            self.finish(record.run_id, status)
        return left

    def is_abandoned(self, record: RunRecord) -> bool:
        """Whether a run ended early: it failed or was killed, or says RUNNING although its process is gone."""
        return record.status in ("FAILED", "KILLED") or (record.status == "RUNNING" and _maker_is_gone(record))

    def bury_the_dead(self) -> list[RunRecord]:
        """Mark as KILLED the RUNNING runs of processes of this host that are gone; return them."""
        dead = [record for record in self.search("attributes.status = 'RUNNING'") if _maker_is_gone(record)]
        for record in dead:
            self.log(record.run_id, tags={names.FAILURE: "its process is gone"})
            self.finish(record.run_id, "KILLED")
        return dead

    # Reading

    def get(self, run_id: str) -> RunRecord:
        """One run."""
        return _record(self._client.get_run(run_id))

    def search(self, condition: str) -> list[RunRecord]:
        """Runs of the experiment that fulfil an MLflow filter, newest first; those deleted in the UI are left out."""
        records: list[RunRecord] = []
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment_id],
                condition,
                max_results=_PAGE,
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
            records.extend(_record(run) for run in page)
            token = page.token
            if not token:
                return records

    def of_kind(self, kind: str) -> list[RunRecord]:
        """All sweeps, trainings or variants, newest first."""
        return self.search(f"tags.`{names.KIND}` = '{kind}'")

    def with_key(self, kind: str, key_name: str, key: str) -> list[RunRecord]:
        """Runs of a kind whose key tag matches, newest first."""
        return self.search(f"tags.`{names.KIND}` = '{kind}' AND tags.`{key_name}` = '{key}'")

    def read_artifact(self, record: RunRecord, path: str) -> bytes | None:
        """The bytes of an artifact; None where it is missing or differs from its hash."""
        local = self.artifact_path(record, path)
        if local is None:
            return None
        content = local.read_bytes()
        expected = record.sha256.get(path)
        return content if expected is None or hashlib.sha256(content).hexdigest() == expected else None

    def artifact_path(self, record: RunRecord, path: str) -> Path | None:
        """A local file with an artifact, fetched if it is remote; None where there is none.

        The artifacts of a store that was moved with its folder are found beside the database.
        """
        folder = path_of(record.artifact_uri)
        if folder is None:
            return self._fetched(record, path)
        candidates = [folder / path]
        if self.location.database is not None:
            root = path_of(self.location.artifact_root(self.experiment) or "")
            assert root is not None
            candidates.append(root / record.run_id / "artifacts" / path)
        return next((candidate for candidate in candidates if candidate.is_file()), None)

    def _fetched(self, record: RunRecord, path: str) -> Path | None:
        """A remote artifact, from where an earlier fetch put it if that is unchanged."""
        here = self.location.folder / "fetched" / record.run_id / path
        if here.is_file() and hashlib.sha256(here.read_bytes()).hexdigest() == record.sha256.get(path):
            return here
        here.parent.mkdir(parents=True, exist_ok=True)
        try:
            with tempfile.TemporaryDirectory(dir=self.location.folder) as folder:
                # Whole or not at all: other workers may be after the same file.
                os.replace(self._client.download_artifacts(record.run_id, path, folder), here)
        except (MlflowException, OSError):
            return None
        return here

    def is_intact(self, record: RunRecord, *, fetch: bool = True) -> bool:
        """Whether the run is finished and every artifact with a known hash is there, unchanged.

        Without `fetch`, remote artifacts are taken to be as they were written.
        """
        if not fetch and path_of(record.artifact_uri) is None:
            return record.is_finished and bool(record.sha256)
        return record.is_finished and all(self.read_artifact(record, path) is not None for path in record.sha256)

    def history(self, run_id: str, metric: str) -> list[tuple[int, float]]:
        """Values of a metric by step."""
        points = self._client.get_metric_history(run_id, metric)
        return sorted({point.step: point.value for point in points}.items())


def reason_of(error: BaseException) -> str:
    """An error in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _user_tags() -> dict[str, str]:
    try:
        return {names.USER: getpass.getuser()}
    except (OSError, KeyError):
        # A container may run as a user without a name.
        return {}


def _process_tags() -> dict[str, str]:
    process = psutil.Process()
    return {
        names.HOST: socket.gethostname(),
        names.PID: str(process.pid),
        names.PROCESS_START: f"{process.create_time():.2f}",
    }


def _maker_is_gone(record: RunRecord) -> bool:
    if record.tags.get(names.HOST) != socket.gethostname():
        return False
    try:
        process = psutil.Process(int(record.tags[names.PID]))
        # Half a second: the boot time that start times are relative to is rounded differently by different readers.
        same = abs(process.create_time() - float(record.tags[names.PROCESS_START])) < 0.5
        return not same or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except (KeyError, ValueError, psutil.AccessDenied):
        return False


def _is_finite(value: float) -> bool:
    return value == value and abs(value) != float("inf")


def _text(value: Any) -> str:
    text = json.dumps(value) if isinstance(value, list | dict) else str(value)
    return text[:_LONGEST_VALUE]


def _record(run: Run) -> RunRecord:
    status = run.info.status
    return RunRecord(
        run_id=run.info.run_id,
        name=run.info.run_name or "",
        status=status if isinstance(status, str) else RunStatus.to_string(status),
        started_ms=run.info.start_time,
        ended_ms=run.info.end_time,
        artifact_uri=run.info.artifact_uri or "",
        tags=dict(run.data.tags),
        params=dict(run.data.params),
        metrics=dict(run.data.metrics),
    )


@contextlib.contextmanager
def _as_store_errors(location: StoreLocation) -> Iterator[None]:
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        text = " ".join(str(error).split())
        if "schema" in text:
            raise StoreError(
                f"{location.shown}: its schema is not this MLflow's ({mlflow.__version__}); if it is older, run "
                f"`mlflow db upgrade {location.shown}`, if newer, install the MLflow that made it"
            ) from error
        raise StoreError(f"{location.shown}: the store cannot be used ({text[:300]})") from error
