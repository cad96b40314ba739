"""Which data sets a run has used, for the MLflow UI."""

import json
from typing import Any

from segsweep.data.dataset import Dataset, Split
from segsweep.tracking.records import UsedData

_DIGEST = 8


def data_fingerprint(dataset: Dataset) -> str:
    """The fingerprints of the splits as a JSON object: equal for runs on the same data."""
    splits = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    return json.dumps({name: split.fingerprint for name, split in splits.items()})


def training_data(dataset: Dataset, config: Any) -> list[UsedData]:
    """What a training on `dataset`, of the settings `config` (`data.*`), has used."""
    return [_used(dataset, config, "train", "train"), _used(dataset, config, "validation", "validation")]


def variant_data(dataset: Dataset, config: Any, *, calibrated: bool) -> list[UsedData]:
    """What a variant was scored on, and where it was `calibrated`, the split that the images for it are from."""
    scored = [_used(dataset, config, "test", "test")]
    return [*scored, _used(dataset, config, "train", "calibration")] if calibrated else scored


def _used(dataset: Dataset, config: Any, split_name: str, context: str) -> UsedData:
    split: Split = getattr(dataset, split_name)
    return UsedData(
        name=f"{dataset.name} {split_name}",
        digest=split.fingerprint[:_DIGEST],
        context=context,
        place=_place(config, split_name),
        images=len(split),
        image_shape=split.image_shape,
    )


def _place(config: Any, split_name: str) -> str | None:
    """Where the images of a split lie: a folder for all of them, or a file; None where they are generated."""
    if getattr(config, "standin", False):
        return None
    root = getattr(config, "root", None)
    return root if root is not None else getattr(config, split_name, None)
