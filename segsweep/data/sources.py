"""The closed table of data sources."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import lru_cache
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from segsweep.config.data_schema import (
    Cifar100Config,
    ClassFoldersConfig,
    DataConfig,
    DownloadedDataConfig,
    FileDataConfig,
    ImageFolderConfig,
    NpzConfig,
    OxfordPetsConfig,
    SyntheticParcelsConfig,
    VocConfig,
)
from segsweep.config.training_schema import AUTO
from segsweep.data import cifar100, class_folders, image_folder, npz, oxford_pets, synthetic_parcels, voc
from segsweep.data.class_frequencies import absent_classes
from segsweep.data.dataset import Dataset, survey_of
from segsweep.data.file_source import DROP
from segsweep.data.point_labels import with_points
from segsweep.data.preprocessing import preprocessed
from segsweep.data.splits import check_disjoint, check_labelled
from segsweep.data.standins import with_standin
from segsweep.data.view import View

SOURCES: dict[str, tuple[type[DataConfig], Callable[[Any], Dataset]]] = {
    "cifar100": (Cifar100Config, cifar100.load),
    "class_folders": (ClassFoldersConfig, class_folders.load),
    "image_folder": (ImageFolderConfig, image_folder.load),
    "npz": (NpzConfig, npz.load),
    "oxford_pets": (OxfordPetsConfig, oxford_pets.load),
    "synthetic_parcels": (SyntheticParcelsConfig, synthetic_parcels.load),
    "voc": (VocConfig, voc.load),
}
"""From the name in `data=NAME` to the settings and the loader of that source."""


def load_dataset(config: DataConfig) -> Dataset:
    """The data set that `config` describes, checked; the last ones are kept in memory.

    Raises:
        DataError: the data cannot be read, or one image is in two splits.
    """
    return _load(config.name, json.dumps(asdict(config)), os.getcwd())


@lru_cache(maxsize=2)
def _load(name: str, settings: str, folder: str) -> Dataset:
    """`folder` is where relative paths begin."""
    schema, load = SOURCES[name]
    config: Any = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(schema), json.loads(settings)))
    if isinstance(config, DownloadedDataConfig) and config.standin:
        config = with_standin(config)
    dataset = load(config)
    if config.view != AUTO:
        dataset = replace(dataset, known_view=View(config.view))
    check_labelled(dataset)
    check_disjoint(dataset, DROP if isinstance(config, FileDataConfig) else "")
    return with_points(preprocessed(dataset, config), config)


def remarks(dataset: Dataset) -> list[str]:
    """What whoever uses the data should know, a sentence each."""
    standin = [f"a generated stand-in for {dataset.name}: its scores say nothing about the real data"]
    return [
        *(standin if dataset.standin else []),
        *dataset.remarks,
        *_no_data(dataset),
        *absent_classes(dataset),
    ]


def _no_data(dataset: Dataset) -> list[str]:
    """Which share of the pixels is no data, by split, where some is."""
    splits = {"training": dataset.train, "validation": dataset.validation, "test": dataset.test}
    shares, some_bands = {}, False
    for role, split in splits.items():
        # Whatever has NaN is floating.
        is_floating = split.read(np.array([0]))[0].dtype.kind == "f"
        survey = survey_of(split) if is_floating else None
        height, width, _ = split.image_shape
        pixels = len(split) * height * width
        shares[role] = int(survey.empty.sum()) / pixels if survey is not None else 0.0
        some_bands |= survey is not None and bool((survey.valid.sum(axis=0) < pixels - survey.empty.sum()).any())
    found = []
    if any(shares.values()):
        said = ", ".join(f"{100 * share:.3g} % of the {role} pixels" for role, share in shares.items())
        found.append(f"no data: {said}; they count nowhere")
    if some_bands:
        found.append("no data: other pixels have no value in some bands, where they are the mean of the band")
    if dataset.nodata is not None and not found:
        found.append(f"data.nodata={dataset.nodata:g} is in no pixel")
    return found
