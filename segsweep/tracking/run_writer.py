"""What is added to a run: numbers, texts, files and pictures, and at last how it ended."""

import contextlib
import hashlib
import json
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow.entities import Metric, Param, RunTag

from segsweep.errors import reason_of
from segsweep.tracking import names
from segsweep.tracking.dataset_inputs import dataset_input
from segsweep.tracking.patience import is_outage
from segsweep.tracking.records import UsedData
from segsweep.tracking.run_reader import RunReader

if TYPE_CHECKING:
    import PIL.Image

_METRICS_A_BATCH = 1000
_PARAMS_A_BATCH = 100
_LONGEST_VALUE = 6000
LONGEST_TAG = 8000


class RunWriter(RunReader):
    """Adds to runs of an experiment."""

    def __init__(self, client: mlflow.MlflowClient, impatient: mlflow.MlflowClient, experiment_id: str):
        """`client` waits for a server that does not answer, `impatient` does not."""
        super().__init__(client, experiment_id)
        self._impatient = impatient

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
        tag_list = [RunTag(name, value[:LONGEST_TAG]) for name, value in (tags or {}).items()]
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

    def log_data(self, run_id: str, used: Sequence[UsedData]) -> None:
        """Say which data sets a run has used, as the MLflow UI shows them."""
        self._client.log_inputs(run_id, [dataset_input(each) for each in used])

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

    def kill(self, run_id: str, reason: str, *, wait: bool = True) -> None:
        """End a run as KILLED, with the reason; `wait` for a server that does not answer."""
        client = self._client if wait else self._impatient
        client.set_tag(run_id, names.FAILURE, reason[:LONGEST_TAG])
        client.set_terminated(run_id, "KILLED")

    def fail(self, run_id: str, error: BaseException) -> None:
        """End a run as FAILED, with the reason as tag and the traceback as artifact, as far as the store lets us."""
        # Where the server does not answer any more, that may be why; it has been waited for long enough.
        client = self._impatient if is_outage(error) else self._client
        with contextlib.suppress(Exception):
            client.set_tag(run_id, names.FAILURE, reason_of(error)[:LONGEST_TAG])
        with contextlib.suppress(Exception):
            client.log_text(run_id, "".join(traceback.format_exception(error)), names.FAILURE_FILE)
        with contextlib.suppress(Exception):
            client.set_terminated(run_id, "FAILED")


def _is_finite(value: float) -> bool:
    return value == value and abs(value) != float("inf")


def _text(value: Any) -> str:
    text = json.dumps(value) if isinstance(value, list | dict) else str(value)
    return text[:_LONGEST_VALUE]
