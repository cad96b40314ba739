"""A `.tflite` file, ours or anyone's, and the data that it is looked at with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from segsweep.config.schema import JobConfig
from segsweep.data.dataset import Dataset, Normalization
from segsweep.data.sources import load_dataset
from segsweep.errors import ConfigError, ModelError
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.tflite.metadata import Metadata, read

Compose = Callable[[Sequence[str]], JobConfig]
"""Makes settings of overrides."""


@dataclass(frozen=True)
class FileOnData:
    """A file that takes the images of a data set."""

    content: bytes = field(repr=False)
    model: TFLiteModel = field(repr=False)
    metadata: Metadata | None
    """None of a file that says nothing about itself."""
    config: JobConfig = field(repr=False)
    dataset: Dataset = field(repr=False)
    normalization: Normalization
    """What the file says, or else the data set's own, of its training split."""


def read_file(path: Path) -> bytes:
    """The file's bytes. Raises ModelError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error


def file_on_data(path: Path, content: bytes, overrides: Sequence[str], compose: Compose) -> FileOnData:
    """The file at `path`, which holds `content`, with the data that `overrides` describe.

    Raises:
        ModelError: it cannot be run, or does not take images of that data.
        ConfigError: no data are given, or they are wrong.
    """
    model = TFLiteModel(content)
    if not any(word.startswith("data=") for word in overrides):
        raise ConfigError(f"{path}: what data the file is for is not known; give it as data=NAME data.SETTING=...")
    config = compose(overrides)
    dataset = load_dataset(config.data)
    metadata = read(content)
    normalization = dataset.normalization
    if metadata is not None:
        normalization = Normalization(np.array(metadata.mean, np.float32), np.array(metadata.std, np.float32))
    shape = dataset.test.image_shape
    size = model.input_shape[:2]
    if model.input_shape[2] != shape[2] or size[0] < shape[0] or size[1] < shape[1]:
        raise ModelError(
            f"{path}: takes images of height, width and channels {model.input_shape}, those of {dataset.name} "
            f"are {shape}"
        )
    if model.classes != len(dataset.classes):
        raise ModelError(f"{path}: has {model.classes} classes, {dataset.name} has {len(dataset.classes)}")
    if (model.output_size == (1, 1)) == dataset.task.by_pixel:
        raise ModelError(
            f"{path}: has {'one class an image' if dataset.task.by_pixel else 'a class a pixel'}, and the labels of "
            f"{dataset.name} are for {dataset.task.name}"
        )
    return FileOnData(content, model, metadata, config, dataset, normalization)
