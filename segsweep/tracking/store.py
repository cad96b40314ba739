"""Runs in, typed records out: with the files beside it, the only place that calls MLflow."""

import contextlib
import getpass
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException

from segsweep.errors import WorkStopped
from segsweep.tracking import names
from segsweep.tracking.artifacts import Artifacts
from segsweep.tracking.liveness import Heartbeat, Watch, is_here, maker_is_gone, process_tags
from segsweep.tracking.location import StoreLocation, locate
from segsweep.tracking.opening import find_experiment, open_experiment
from segsweep.tracking.patience import patient, persist
from segsweep.tracking.records import RunRecord
from segsweep.tracking.run_reader import record_of
from segsweep.tracking.run_writer import LONGEST_TAG, RunWriter


class Store(RunWriter):
    """An experiment of a tracking store: its runs begin here, end as the work around them does, or are buried."""

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
        self._watch = Watch()
        super().__init__(patient(client, location, patience, self._watch.forget), client, experiment_id)
        self.artifacts = Artifacts(location, experiment, self._client)
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
            tags={key: value[:LONGEST_TAG] for key, value in all_tags.items()},
        )
        self.log(run.info.run_id, params=params)
        self._begun[run.info.run_id] = record_of(run)
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


def _user_tags() -> dict[str, str]:
    try:
        return {names.USER: getpass.getuser()}
    except (OSError, KeyError):
        # A container may run as a user without a name.
        return {}
