"""A small data set in memory, and jobs on it, for the tests."""

import numpy as np

from segsweep.config import data_schema, schema, training_schema
from segsweep.data.dataset import ArraySplit, Dataset
from segsweep.data.normalization import fit_normalization
from segsweep.data.view import NADIR


def split(seed: int, images: int = 6, size: int = 16) -> ArraySplit:
    rng = np.random.default_rng(seed)
    return ArraySplit(
        rng.random((images, size, size, 2), np.float32), rng.integers(0, 2, (images, size, size)).astype(np.uint8)
    )


def dataset(**changes) -> Dataset:
    train = changes.pop("train", split(0))
    values = {
        "name": "npz",
        "classes": ("a", "b"),
        "palette": ((0, 0, 0), (255, 255, 255)),
        "bands": ("x", "y"),
        "rgb": (0, 1, 1),
        "train": train,
        "validation": split(1, 2),
        "test": split(2, 3),
        "normalization": fit_normalization(train),
        "known_view": NADIR,
    }
    return Dataset(**{**values, **changes})


def job(name: str = "int8", **sections) -> schema.JobConfig:
    return schema.JobConfig(
        data=data_schema.NpzConfig(train="a.npz"),
        model=sections.get("model", schema.StridedUnetConfig()),
        loss=sections.get("loss", schema.LossConfig()),
        training=sections.get("training", training_schema.TrainingConfig()),
        quantization=sections.get("quantization", schema.QuantizationConfig(name=name)),
        evaluation=sections.get("evaluation", schema.EvaluationConfig()),
        ensemble=sections.get("ensemble", schema.EnsembleConfig()),
        tracking=sections.get("tracking", schema.TrackingConfig()),
        sweep=sections.get("sweep", schema.SweepConfig()),
        seed=sections.get("seed", 0),
    )
