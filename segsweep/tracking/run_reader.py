"""The runs of an experiment, found and returned as records."""

from collections.abc import Collection
from typing import Any

import mlflow
from mlflow.entities import Run, RunStatus

from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.tracking.sql_reading import records_with_keys

_PAGE = 1000
_KEYS_LOOKED_UP = 300
"""Runs of so many keys are looked for one by one in a large store; for more, all runs are listed."""
_FEW = 50


class RunReader:
    """Finds runs of an experiment."""

    def __init__(self, client: mlflow.MlflowClient, experiment_id: str):
        self._client = client
        self._experiment_id = experiment_id

    @property
    def experiment_id(self) -> str:
        """Of the experiment, as links in the MLflow UI have it."""
        return self._experiment_id

    def get(self, run_id: str) -> RunRecord:
        """One run."""
        return record_of(self._client.get_run(run_id))

    def search(self, condition: str) -> list[RunRecord]:
        """Runs of the experiment that fulfil an MLflow filter, newest first; those deleted in the UI are left out."""
        records: list[RunRecord] = []
        token = None
        while True:
            page = self._page(condition, _PAGE, token)
            records.extend(record_of(run) for run in page)
            token = page.token
            if not token:
                return records

    def in_all_experiments(self, key_name: str, key: str) -> list[RunRecord]:
        """Runs of any experiment of the store whose key tag matches, newest first."""
        experiments = [experiment.experiment_id for experiment in self._client.search_experiments()]
        found = self._client.search_runs(
            experiments, f"tags.`{key_name}` = '{key}'", order_by=["attributes.start_time DESC"]
        )
        return [record_of(run) for run in found]

    def of_kind(self, kind: str) -> list[RunRecord]:
        """All sweeps, trainings or variants, newest first."""
        return self.search(f"tags.`{names.KIND}` = '{kind}'")

    def with_keys(self, kind: str, key_name: str, keys: Collection[str]) -> list[RunRecord]:
        """Runs of a kind whose key tag is one of `keys`; those of one key newest first."""
        read = records_with_keys(self._client, self._experiment_id, kind, key_name, keys)
        if read is not None:
            return read
        condition = f"tags.`{names.KIND}` = '{kind}'"
        if len(keys) <= _KEYS_LOOKED_UP:
            # Listing a run takes some 2 ms, looking for one some 6 ms: a small store is listed all the same.
            page = self._page(condition, 3 * len(keys) + _FEW)
            if page.token:
                return [record for key in sorted(keys) for record in self.with_key(kind, key_name, key)]
            records = [record_of(run) for run in page]
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


def record_of(run: Run) -> RunRecord:
    """A run as MLflow gives it, as a record."""
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
