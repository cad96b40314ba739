"""Trained networks of the store that teach others: what was logged of them, and whether they fit."""

from dataclasses import dataclass

from omegaconf import DictConfig, OmegaConf

from segsweep.config.job_config import to_job_config
from segsweep.config.registration import SECTIONS
from segsweep.config.schema import JobConfig
from segsweep.data.dataset import Dataset
from segsweep.errors import ConfigError, StoreError
from segsweep.models.table import check_task, size_multiple
from segsweep.runs.used_data import data_fingerprint
from segsweep.tflite.metadata import Metadata, read
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.tracking.run_ids import find_run
from segsweep.tracking.store import Store


@dataclass(frozen=True)
class StoredTeacher:
    """A finished float training of the store."""

    training: RunRecord
    config: JobConfig
    metadata: Metadata
    """Of its float32 file: classes, bands, and how images are normalized."""

    @property
    def key(self) -> str:
        """Its training key."""
        return self.training.tags[names.TRAINING_KEY]


def find_teacher(store: Store, text: str) -> StoredTeacher:
    """The float training that a run id, or the beginning of one, belongs to.

    Args:
        store: with the runs.
        text: what was given as RUN: of a float training, or of a variant of one.

    Raises:
        StoreError: there is no such run, it is of a fine-tune, or it is not complete.
    """
    run = find_run(store, text, (names.TRAINING, names.VARIANT), "training or variant")
    if run.tags.get(names.TRAINING_KIND) != "float":
        raise StoreError(
            f"run {run.run_id} ({run.name}): is of a fine-tune; give its float training or one of that one's variants"
        )
    return stored_teacher(store, run.tags[names.TRAINING_KEY])


def stored_teacher(store: Store, key: str) -> StoredTeacher:
    """The finished and intact float training of a key.

    Raises:
        StoreError: there is none, or it has no float32 file.
    """
    trainings = store.with_key(names.TRAINING, names.TRAINING_KEY, key)
    training = next((each for each in trainings if store.artifacts.are_intact(each)), None)
    if training is None:
        raise StoreError(f"the training {key} is not in the store, not finished or damaged; train it again")
    variants = store.with_key(names.VARIANT, names.TRAINING_KEY, key)
    floats = [each for each in variants if each.is_finished and each.params.get("quantization.name") == "float32"]
    content = next((found for each in floats if (found := store.artifacts.read(each, names.MODEL_FILE))), None)
    metadata = read(content) if content is not None else None
    if metadata is None:
        raise StoreError(
            f"run {training.run_id} ({training.name}): has no intact float32 file; make one with segsweep run ... "
            "quantization=float32"
        )
    settings = OmegaConf.create(store.artifacts.required(training, names.CONFIG_FILE).decode())
    assert isinstance(settings, DictConfig)
    # A section that came with a later version is what it was without it.
    later = {name: choices["default"]() for name, choices in SECTIONS.items() if name not in settings}
    return StoredTeacher(training, to_job_config(settings, later), metadata)


def check_teacher(teacher: StoredTeacher, dataset: Dataset, size: tuple[int, int]) -> None:
    """Refuse a teacher that cannot be asked about the images of `dataset`, padded to `size` (height, width).

    Raises:
        ConfigError: its classes, bands, task, treatment of histograms or data differ, or it takes no images of that
            size.
    """
    metadata, model = teacher.metadata, teacher.config.model
    histogram = dataset.histogram
    treatment = (histogram.how, histogram.rows) if histogram is not None else ("none", ())
    for what, theirs, ours in (
        ("classes", metadata.classes, dataset.classes),
        ("bands", metadata.bands, dataset.bands),
        ("histogram", metadata.histogram, treatment[0]),
        ("histogram table", metadata.histogram_table, treatment[1]),
    ):
        if theirs != ours:
            shown = f" ({_listed(theirs)} where these are {_listed(ours)})" if what != "histogram table" else ""
            raise ConfigError(f"it was trained with another {what}{shown} than data={dataset.name} has")
    check_task(model, dataset.task, dataset.name)
    multiple = size_multiple(model)
    if any(side % multiple for side in size):
        raise ConfigError(
            f"its model={model.name} takes images whose sides are multiples of {multiple}, and these are "
            f"{size[0]} x {size[1]}"
        )
    if teacher.training.tags.get(names.DATA_FINGERPRINT) != data_fingerprint(dataset):
        raise ConfigError(
            "it was trained on other data, or on another split of it, so it may have seen the images that are to be "
            "scored; give a training on the same data"
        )


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
