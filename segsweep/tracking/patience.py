"""A client that waits for a server that does not answer, instead of losing what it was to write.

What a job has found stays in its memory meanwhile, and what a training has reached in its checkpoint.
"""

import functools
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE, ErrorCode

from segsweep.errors import NoAnswerError
from segsweep.tracking.location import StoreLocation

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_SIGNS = (
    "Max retries exceeded",
    "Connection refused",
    "Connection aborted",
    "connection to server",
    "connection failed",
    "connection is closed",
    "consuming input failed",
    "server closed the connection",
    "terminating connection",
    "Read timed out",
    "too many 50",
    "status code 500",
    "code 502",
    "code 503",
    "code 504",
)
"""What is said when nobody answers, by requests, by psycopg and by MLflow of a proxy."""


def patient(
    client: mlflow.MlflowClient, location: StoreLocation, patience: float, on_outage: Callable[[], None]
) -> mlflow.MlflowClient:
    """`client`, whose calls are made again for up to `patience` seconds while nobody answers them.

    `on_outage` is called each time that nobody does. An SQLite file is no server: what it refuses is not waited for.
    """
    if location.database is not None or patience <= 0:
        return client
    return _PatientClient(client, location, patience, on_outage)  # type: ignore[return-value]


def is_outage(error: BaseException) -> bool:
    """Whether an error says that nobody answered, not that the answer was no."""
    if isinstance(error, MlflowException) and error.error_code == ErrorCode.Name(TEMPORARILY_UNAVAILABLE):
        return True
    text = str(error)
    return isinstance(error, ConnectionError | NoAnswerError) or any(sign in text for sign in _SIGNS)


T = TypeVar("T")


def persist(
    call: Callable[[], T], location: StoreLocation, patience: float, on_outage: Callable[[], None] = lambda: None
) -> T:
    """What `call` returns, called again for up to `patience` seconds while nobody answers it."""
    deadline = time.monotonic() + patience
    pause = _FIRST_PAUSE
    while True:
        try:
            return call()
        except Exception as error:
            if location.database is not None or not is_outage(error) or time.monotonic() > deadline:
                raise
            on_outage()
            print(f"segsweep: {location.shown} does not answer; trying again in {pause:g} s", file=sys.stderr)
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


class _PatientClient:
    def __init__(
        self,
        client: mlflow.MlflowClient,
        location: StoreLocation,
        patience: float,
        on_outage: Callable[[], None],
    ):
        self._client = client
        self._on_outage = on_outage
        self._location = location
        self._patience = patience

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._client, name)
        return functools.partial(self._call, value) if callable(value) else value

    def _call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return persist(lambda: function(*args, **kwargs), self._location, self._patience, self._on_outage)
