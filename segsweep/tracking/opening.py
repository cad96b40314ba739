"""Opening the experiment of a store: made where it is missing, or found, or refused in one line."""

import contextlib
import logging
import sqlite3
from collections.abc import Iterator

import mlflow
from filelock import FileLock
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from segsweep.errors import NoStoreError, StoreError
from segsweep.tracking.location import StoreLocation, path_of, prepare_database, require_answer, require_database

for _chatty in ("mlflow", "alembic"):
    logging.getLogger(_chatty).setLevel(logging.WARNING)
logging.getLogger("urllib3").setLevel(logging.ERROR)
# It would log a traceback of its own for an error that is raised all the same.
logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)


def open_experiment(location: StoreLocation, experiment: str) -> tuple[mlflow.MlflowClient, str]:
    """A client, and the id of an experiment to write to; what is missing of database, schema and experiment is made.

    Raises:
        StoreError: the store cannot be reached or written, or was made by a newer MLflow.
    """
    require_answer(location.uri)
    if location.database is None:
        return _opened(location, experiment)
    prepare_database(location.database)
    # MLflow makes tables and experiment without any lock.
    with FileLock(location.database.with_suffix(".lock")):
        client, experiment_id = _opened(location, experiment)
        _follow_moved_folder(location, experiment, client, experiment_id)
        return client, experiment_id


def find_experiment(location: StoreLocation, experiment: str) -> tuple[mlflow.MlflowClient, str]:
    """A client and the id of an experiment that must be there.

    Raises:
        StoreError: there is no such store or experiment.
    """
    require_answer(location.uri)
    if location.database is not None:
        require_database(location.database)
    with _as_store_errors(location):
        client = mlflow.MlflowClient(tracking_uri=location.uri)
        found = client.get_experiment_by_name(experiment)
        if found is None:
            known = ", ".join(sorted(each.name for each in client.search_experiments())) or "none"
            raise NoStoreError(f"no experiment {experiment} in {location.shown}; there are: {known}")
    return client, found.experiment_id


def _opened(location: StoreLocation, experiment: str) -> tuple[mlflow.MlflowClient, str]:
    with _as_store_errors(location):
        client = mlflow.MlflowClient(tracking_uri=location.uri)
        found = client.get_experiment_by_name(experiment)
        if found is None:
            try:
                return client, client.create_experiment(experiment, location.artifact_root(experiment))
            except MlflowException:
                # Another process may have been quicker.
                found = client.get_experiment_by_name(experiment)
                if found is None:
                    raise
        if found.lifecycle_stage != "active":
            raise StoreError(
                f"tracking.experiment={experiment} was deleted in {location.shown}; "
                "restore it in the MLflow UI, or choose another name"
            )
        return client, found.experiment_id


def _follow_moved_folder(
    location: StoreLocation, experiment: str, client: mlflow.MlflowClient, experiment_id: str
) -> None:
    """Let new runs write beside the database, and the UI find the old ones, where the store's folder was moved."""
    database, root = location.database, location.artifact_root(experiment)
    assert database is not None
    assert root is not None
    recorded = client.get_experiment(experiment_id).artifact_location
    old, new = path_of(recorded), path_of(root)
    if old is None or new is None or old == new or old.exists() or not new.exists():
        return
    with contextlib.closing(sqlite3.connect(database, timeout=60)) as connection, connection:
        number = int(experiment_id)
        connection.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (root, number))
        connection.execute(
            "UPDATE runs SET artifact_uri = replace(artifact_uri, ?, ?) WHERE experiment_id = ?",
            (recorded, root, number),
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
