"""The chosen variant in MLflow's model registry."""

import os
from pathlib import Path

from segsweep.choosing.candidates import Candidate
from segsweep.errors import StoreError
from segsweep.quiet import quiet
from segsweep.runs.mlflow_model import model_description, model_tags
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.tracking import names
from segsweep.tracking.registry import Registered, register
from segsweep.tracking.store import Store

_TAGGED = {
    "mean_iou": names.MEAN_IOU,
    "validation_mean_iou": names.VALIDATION_MEAN_IOU,
    "accuracy": names.ACCURACY,
    "size_bytes": names.SIZE_BYTES,
    "latency_p50_ms": names.LATENCY_P50,
}
"""Tags of a version, and the metrics that they hold."""


def register_winner(store: Store, candidate: Candidate, name: str, why: str, chosen_on: str) -> Registered:
    """Make a variant a version of the registered model `name`, with what it was chosen for as its description.

    The tag `chosen_on` says which split chose it.

    A run of an older segsweep is first given what makes its file a model to MLflow.

    Raises:
        SegsweepError: the file is missing or damaged, or the registry refuses.
    """
    run = candidate.run
    if names.MLMODEL_FILE not in run.sha256:
        content = store.artifacts.read(run, names.MODEL_FILE)
        if content is None:
            raise StoreError(f"run {run.run_id}: its {names.MODEL_FILE} is missing or damaged; run the sweep again")
        with quiet(Path(os.devnull)):
            model = TFLiteModel(content)
        files = model_description(run.run_id, content, model)
        store.add_artifacts(run.run_id, files)
        store.log(run.run_id, tags=model_tags(run.run_id, files))
    tags = {
        "quantization": run.params.get("quantization.name", ""),
        "chosen_on": chosen_on,
        **{tag: f"{run.metrics[metric]:.6g}" for tag, metric in _TAGGED.items() if metric in run.metrics},
        **{key: run.tags[key] for key in (names.SWEEP_ID, names.VARIANT_KEY) if key in run.tags},
    }
    return register(store, run, name, f"{candidate.label}\n\n```\n{why.strip()}\n```", tags)
