"""Data sets as MLflow keeps them with runs; see https://mlflow.org/docs/latest/ml/dataset/ ."""

import json

from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from segsweep.tracking.records import UsedData


def dataset_input(used: UsedData) -> DatasetInput:
    """The entity, written here: `mlflow.data` would make it from the arrays themselves and hash them once more."""
    height, width, channels = used.image_shape
    profile = {"images": used.images, "height": height, "width": width, "bands": channels}
    local = used.place is not None
    dataset = Dataset(
        name=used.name,
        digest=used.digest,
        source_type="local" if local else "code",
        source=json.dumps({"uri": used.place} if local else {"tags": {"mlflow.source.name": f"segsweep {used.name}"}}),
        profile=json.dumps(profile),
    )
    return DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, used.context)])
