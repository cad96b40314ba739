"""MLflow's model registry: a variant as a version of a model of that name."""

from collections.abc import Mapping
from dataclasses import dataclass

import mlflow
from mlflow.exceptions import MlflowException

from segsweep.errors import SegsweepError
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store

_FOLDER = names.MODEL_FILE.rpartition("/")[0]


@dataclass(frozen=True)
class Registered:
    """A version in the registry."""

    name: str
    version: str
    is_new: bool
    """False where the same run was registered under that name before."""

    @property
    def uri(self) -> str:
        """What `mlflow.pyfunc.load_model` takes."""
        return f"models:/{self.name}/{self.version}"


def register(store: Store, run: RunRecord, name: str, description: str, tags: Mapping[str, str]) -> Registered:
    """Make the model of a variant's run, which must have its `model/MLmodel`, a version of the model `name`.

    The model is made where there is none of that name. A run that is a version of it already stays that version.

    Raises:
        SegsweepError: the name is none, or the registry refuses.
    """
    client = mlflow.MlflowClient(tracking_uri=store.location.uri, registry_uri=store.location.uri)
    try:
        known = _versions(client, name, run.run_id)
        if known:
            return Registered(name, known[0], is_new=False)
        if not client.search_registered_models(f"name = '{_quoted(name)}'"):
            client.create_registered_model(name, description="Chosen by `segsweep best`.")
        source = f"{run.artifact_uri}/{_FOLDER}"
        made = client.create_model_version(name, source, run_id=run.run_id, tags=dict(tags), description=description)
    except MlflowException as error:
        reason = " ".join(str(error).split())[:200]
        raise SegsweepError(f"--register {name}: the registry refuses ({reason}); give another name") from error
    return Registered(name, str(made.version), is_new=True)


def _versions(client: mlflow.MlflowClient, name: str, run_id: str) -> list[str]:
    found = client.search_model_versions(f"name = '{_quoted(name)}' and run_id = '{run_id}'")
    return [str(version.version) for version in found]


def _quoted(name: str) -> str:
    """A name inside a filter, where a quote would end it."""
    if "'" in name:
        raise SegsweepError(f"--register {name}: names of models have no '; give another name")
    return name
