"""Runs in, typed records out: the only place that calls MLflow."""

import contextlib
import getpass
import hashlib
import json
import tempfile
import time
import traceback
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow.entities import Metric, Param, Run, RunStatus, RunTag
from mlflow.exceptions import MlflowException

from segsweep.errors import WorkStopped, reason_of
from segsweep.tracking import names
from segsweep.tracking.artifacts import Artifacts
from segsweep.tracking.liveness import Heartbeat, Watch, is_here, maker_is_gone, process_tags
from segsweep.tracking.location import StoreLocation, locate
from segsweep.tracking.opening import find_experiment, open_experiment
from segsweep.tracking.patience import is_outage, patient, persist
from segsweep.tracking.records import RunRecord

if TYPE_CHECKING:
    import PIL.Image

_PAGE = 1000
_KEYS_LOOKED_UP = 300
"""Runs of so many keys are looked for one by one in a large store; for more, all runs are listed."""
_FEW = 50
_METRICS_A_BATCH = 1000
_PARAMS_A_BATCH = 100
_LONGEST_VALUE = 6000
_LONGEST_TAG = 8000


class Store:
    """An experiment of a tracking store."""

    def __init__(
        self,
        location: StoreLocation,
        experiment: str,
        client: mlflow.MlflowClient,
        experiment_id: str,
        *,
        patience: float = 0.0,
        heartbeat: float = 60.0,
    ):
        """See :meth:`open`; `client` is one that does not wait."""
        self.location = location
        self.experiment = experiment
        self._impatient = client
        self._watch = Watch()
        self._client = patient(client, location, patience, self._watch.forget)
        self.artifacts = Artifacts(location, experiment, self._client)
        self._experiment_id = experiment_id
        self._begun: dict[str, RunRecord] = {}
        self._heartbeat = Heartbeat(client, heartbeat)

    @classmethod
    def open(cls, uri: str, experiment: str, *, patience: float = 0.0, heartbeat: float = 60.0) -> "Store":
        """Open a store for writing; database, schema and experiment are made where they are missing.

        To be called once before workers start: many processes that race to create the schema fail.

        Args:
            uri: MLflow's tracking URI.
            experiment: name of the MLflow experiment.
            patience: seconds that this and later calls wait for a server that does not answer.
            heartbeat: seconds between the signs of life of runs that this process makes.

        Raises:
            StoreError: the store cannot be reached or written, or was made by a newer MLflow.
        """
        location = locate(uri)
        client, experiment_id = persist(lambda: open_experiment(location, experiment), location, patience)
        return cls(location, experiment, client, experiment_id, patience=patience, heartbeat=heartbeat)

    @classmethod
    def open_to_read(cls, uri: str, experiment: str) -> "Store":
        """Open a store that must already hold the experiment.

        Raises:
            StoreError: there is no such store or experiment.
        """
        location = locate(uri)
        return cls(location, experiment, *find_experiment(location, experiment))

    # Writing

    def create_run(
        self, kind: str, name: str, *, parent: str | None, tags: Mapping[str, str], params: Mapping[str, Any]
    ) -> str:
        """Begin a run, marked with the process that makes it, and return its id."""
        all_tags = {names.KIND: kind, names.SOURCE_NAME: "segsweep", **_user_tags(), **tags}
        all_tags |= process_tags(self._heartbeat.interval)
        if parent is not None:
            all_tags[names.PARENT_RUN] = parent
        run = self._client.create_run(
            self._experiment_id,
            run_name=name,
            tags={key: value[:_LONGEST_TAG] for key, value in all_tags.items()},
        )
        self.log(run.info.run_id, params=params)
        self._begun[run.info.run_id] = _record(run)
        return str(run.info.run_id)

    def path_in_new_run(self, run_id: str, path: str) -> Path | None:
        """A local file with an artifact of a run that this store began, as :meth:`Artifacts.path` finds it."""
        return self.artifacts.path(self._begun[run_id], path)

    def reopen_run(self, run_id: str, *, parent: str, tags: Mapping[str, str]) -> None:
        """Make an interrupted run this process's own, under `parent` and with these tags."""
        self._client.update_run(run_id, status="RUNNING")
        self.log(run_id, tags={**tags, **process_tags(self._heartbeat.interval), names.PARENT_RUN: parent})
        for tag in (names.FAILURE, names.CLAIMED, names.PRUNE):
            with contextlib.suppress(MlflowException):
                self._client.delete_tag(run_id, tag)

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

    def log_history(self, run_id: str, points: Sequence[tuple[str, float, int, int]], *, wait: bool = True) -> None:
        """Add metric values (name, value, step, milliseconds since 1970).

        Raises ConnectionError where nobody answers and it is not to `wait`.
        """
        client = self._client if wait else self._impatient
        metrics = [Metric(name, value, when, step) for name, value, step, when in points if _is_finite(value)]
        for start in range(0, len(metrics), _METRICS_A_BATCH):
            try:
                client.log_batch(run_id, metrics=metrics[start : start + _METRICS_A_BATCH])
            except Exception as error:
                if is_outage(error):
                    raise ConnectionError(str(error)) from error
                raise

    def add_artifacts(self, run_id: str, files: Mapping[str, bytes]) -> None:
        """Write artifacts (path in the run to bytes), then note their hashes on the run."""
        self.log(run_id, tags=self.upload(run_id, files))

    def upload(self, run_id: str, files: Mapping[str, bytes]) -> dict[str, str]:
        """Write artifacts; return the tags with their hashes, to be logged before the run is finished."""
        with tempfile.TemporaryDirectory(prefix="segsweep-") as folder:
            for path, content in files.items():
                target = Path(folder) / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
            self._client.log_artifacts(run_id, folder)
        return {names.SHA256 + path: hashlib.sha256(content).hexdigest() for path, content in files.items()}

    def upload_quietly(self, run_id: str, path: str, content: bytes) -> None:
        """Write an artifact that no hash is kept of, without waiting for a server that does not answer."""
        with tempfile.TemporaryDirectory(prefix="segsweep-") as folder:
            target = Path(folder) / Path(path).name
            target.write_bytes(content)
            self._impatient.log_artifact(run_id, str(target), str(Path(path).parent))

    def add_image(self, run_id: str, key: str, picture: "PIL.Image.Image", step: int) -> None:
        """Add a picture to a sequence that the MLflow UI shows by step, without waiting for a server."""
        self._impatient.log_image(run_id, picture, key=key, step=step, synchronous=True)

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
        """End `run_id` as the enclosed work ends, and give signs of life meanwhile."""
        self._heartbeat.add(run_id)
        try:
            yield
        except WorkStopped as error:
            self.kill(run_id, str(error))
            raise
        except Exception as error:
            self.fail(run_id, error)
            raise
        except BaseException as error:
            with contextlib.suppress(Exception):
                self.kill(run_id, f"stopped ({type(error).__name__})", wait=False)
            raise
        finally:
            self._heartbeat.discard(run_id)
            self._begun.pop(run_id, None)
        self.finish(run_id, "FINISHED")

    def kill(self, run_id: str, reason: str, *, wait: bool = True) -> None:
        """End a run as KILLED, with the reason; `wait` for a server that does not answer."""
        client = self._client if wait else self._impatient
        client.set_tag(run_id, names.FAILURE, reason[:_LONGEST_TAG])
        client.set_terminated(run_id, "KILLED")

    def fail(self, run_id: str, error: BaseException) -> None:
        """End a run as FAILED, with the reason as tag and the traceback as artifact, as far as the store lets us."""
        # Where the server does not answer any more, that may be why; it has been waited for long enough.
        client = self._impatient if is_outage(error) else self._client
        with contextlib.suppress(Exception):
            client.set_tag(run_id, names.FAILURE, reason_of(error)[:_LONGEST_TAG])
        with contextlib.suppress(Exception):
            client.log_text(run_id, "".join(traceback.format_exception(error)), names.FAILURE_FILE)
        with contextlib.suppress(Exception):
            client.set_terminated(run_id, "FAILED")

    def add_failure(
        self,
        kind: str,
        name: str,
        *,
        parent: str,
        tags: Mapping[str, str],
        params: Mapping[str, Any],
        reason: str,
        details: str,
    ) -> None:
        """A FAILED run for work that ended before it had a run of its own; `details` become its artifact."""
        run_id = self.create_run(kind, name, parent=parent, tags={**tags, names.FAILURE: reason}, params=params)
        if details:
            self._client.log_text(run_id, details, names.FAILURE_FILE)
        self.finish(run_id, "FAILED")

    def kill_running(self, sweep_id: str, reason: str) -> None:
        """End the runs of a sweep that is stopped as KILLED; a server that does not answer is not waited for."""
        condition = f"attributes.status = 'RUNNING' AND tags.`{names.SWEEP_ID}` = '{sweep_id}'"
        for run in self._impatient.search_runs([self._experiment_id], condition):
            if run.data.tags.get(names.KIND) != names.SWEEP:
                self.kill(run.info.run_id, reason, wait=False)

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
        """Whether a run ended early: it failed or was killed, or says RUNNING although its maker is gone.

        A maker on another host is gone when its signs of life cease while this store is open.
        """
        if record.status != "RUNNING":
            return record.status in ("FAILED", "KILLED")
        return maker_is_gone(record) if is_here(record) else self._watch.is_silent(record)

    def may_reopen(self, record: RunRecord) -> bool:
        """Whether no other host could reopen the run at the same moment."""
        return self.location.database is not None or is_here(record)

    def being_made_elsewhere(self, records: Sequence[RunRecord]) -> list[RunRecord]:
        """Those of `records` that another host is making now."""
        return [
            record
            for record in records
            if record.status == "RUNNING" and not is_here(record) and not self.is_abandoned(record)
        ]

    def bury_the_dead(self) -> list[RunRecord]:
        """Mark as KILLED the RUNNING runs whose makers are gone, and return them.

        What the jobs of a live sweep left is that sweep's to mark.
        """
        running = self.search("attributes.status = 'RUNNING'")
        abandoned = {record.run_id for record in running if self.is_abandoned(record)}
        alive = {record.run_id for record in running if record.kind == names.SWEEP} - abandoned
        dead = [
            record for record in running if record.run_id in abandoned and record.tags.get(names.SWEEP_ID) not in alive
        ]
        for record in dead:
            self.kill(record.run_id, "its process is gone")
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
            page = self._page(condition, _PAGE, token)
            records.extend(_record(run) for run in page)
            token = page.token
            if not token:
                return records

    def in_all_experiments(self, key_name: str, key: str) -> list[RunRecord]:
        """Runs of any experiment of the store whose key tag matches, newest first."""
        experiments = [experiment.experiment_id for experiment in self._client.search_experiments()]
        found = self._client.search_runs(
            experiments, f"tags.`{key_name}` = '{key}'", order_by=["attributes.start_time DESC"]
        )
        return [_record(run) for run in found]

    def of_kind(self, kind: str) -> list[RunRecord]:
        """All sweeps, trainings or variants, newest first."""
        return self.search(f"tags.`{names.KIND}` = '{kind}'")

    def with_keys(self, kind: str, key_name: str, keys: Collection[str]) -> list[RunRecord]:
        """Runs of a kind whose key tag is one of `keys`; those of one key newest first."""
        condition = f"tags.`{names.KIND}` = '{kind}'"
        if len(keys) <= _KEYS_LOOKED_UP:
            # Listing a run takes some 2 ms, looking for one some 6 ms: a small store is listed all the same.
            page = self._page(condition, 3 * len(keys) + _FEW)
            if page.token:
                return [record for key in sorted(keys) for record in self.with_key(kind, key_name, key)]
            records = [_record(run) for run in page]
        else:
            records = self.search(condition)
        return [record for record in records if record.tags.get(key_name) in keys]

    def _page(self, condition: str, size: int, token: str | None = None) -> Any:
        """Some of the runs that fulfil a condition, newest first, and a token for the next."""
        newest_first = ["attributes.start_time DESC"]
        return self._client.search_runs(
            [self._experiment_id], condition, max_results=size, order_by=newest_first, page_token=token
        )

    def with_key(self, kind: str, key_name: str, key: str) -> list[RunRecord]:
        """Runs of a kind whose key tag matches, newest first."""
        return self.search(f"tags.`{names.KIND}` = '{kind}' AND tags.`{key_name}` = '{key}'")

    def history(self, run_id: str, metric: str) -> list[tuple[int, float]]:
        """Values of a metric by step."""
        points = self._client.get_metric_history(run_id, metric)
        return sorted({point.step: point.value for point in points}.items())


def _user_tags() -> dict[str, str]:
    try:
        return {names.USER: getpass.getuser()}
    except (OSError, KeyError):
        # A container may run as a user without a name.
        return {}


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
