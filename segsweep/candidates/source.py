"""Where candidates come from: a run of the store, or a file that somebody made, with its data."""

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import yaml
from omegaconf import DictConfig, OmegaConf

from segsweep.candidates.options import is_file
from segsweep.candidates.problem import DEFAULT_IMAGES, Problem, problem_of
from segsweep.config.job_config import to_job_config
from segsweep.config.registration import SECTIONS
from segsweep.config.schema import JobConfig
from segsweep.config.training_schema import AUTO
from segsweep.data.choosing_images import CHOICES
from segsweep.data.dataset import Dataset, Normalization
from segsweep.data.sources import load_dataset
from segsweep.errors import ConfigError, DataError, StoreError
from segsweep.lineage.jobs import lineage
from segsweep.models.input_scaling import for_model
from segsweep.quantization.automatic_ranges import calibrate_by, select_recipe_ranges
from segsweep.quantization.layers import layers
from segsweep.quantization.post_training import Calibration
from segsweep.quantization.range_rules import RangeChoice
from segsweep.quantization.selection_images import selection_images
from segsweep.quantization.training_kinds import TRAINING_KINDS
from segsweep.quiet import quiet
from segsweep.resolving import DEFAULT_CALIBRATION_SAMPLES
from segsweep.runs.calibration_images import calibration_images, calibration_indices
from segsweep.scoring.file_on_data import Compose, file_on_data, read_file
from segsweep.tflite.metadata import Metadata, read
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.tracking.run_ids import find_run
from segsweep.tracking.store import Store

SUFFIX = ".tflite"


@dataclass(frozen=True)
class Source:
    """A float file with all that belongs to it."""

    float_model: bytes = field(repr=False)
    config: JobConfig = field(repr=False)
    """Of the run, or as it was given for a file."""
    dataset: Dataset
    normalization: Normalization
    calibration_images: np.ndarray = field(repr=False)
    """(N, H, W, C) float32 training images, normalized and padded."""
    metadata: Metadata | None
    store: Store | None = None
    """Where its runs are; None for a file."""
    run: RunRecord | None = None
    """The run that was asked about."""
    training: RunRecord | None = None
    """The training of the run."""

    def problem(self, images: int = DEFAULT_IMAGES) -> Problem:
        """Calibrate, and take the validation images into memory.

        Raises:
            ModelError: the file cannot be calibrated or does not take such images.
        """
        calibration, choice = self._calibrated()
        return problem_of(
            self.float_model,
            calibration,
            self.dataset,
            self.normalization,
            self.metadata,
            images=images,
            choice=choice,
        )

    def _calibrated(self) -> tuple[Calibration, RangeChoice]:
        """The calibration of its candidates, as a job takes it for an 8-bit file, and by which rules."""
        settings = self.config.quantization.calibration
        if settings.range == AUTO:
            judged = selection_images(self.float_model, self.dataset, self.normalization, self.calibration_images)
            found = select_recipe_ranges(self.float_model, self.calibration_images, settings.percentile, judged)
            return found.calibration, found.choice
        choice = RangeChoice.of(settings.range)
        return calibrate_by(self.float_model, self.calibration_images, choice, settings.percentile), choice


def source_of(options: argparse.Namespace, compose: Compose) -> Source:
    """What `RUN` on the command line means: a file where it is one, else a run of the store."""
    if is_file(options.run):
        # What is wrong with a file or its data is one line, without what LiteRT says of kernels before it.
        with quiet(Path(os.devnull)):
            return file_source(Path(options.run), options.overrides, compose)
    store = Store.open_to_read(options.tracking_uri, options.experiment)
    return find_source(store, options.run, options.overrides, compose)


def find_source(store: Store, text: str, overrides: Sequence[str], compose: Compose) -> Source:
    """The float file of the training that a run id, or the beginning of one, belongs to.

    Args:
        store: with the runs.
        text: what was given as RUN: of a training or a variant.
        overrides: settings of the data in place of the run's own, as `data.train=moved.npz`.
        compose: makes settings of overrides.

    Raises:
        StoreError: there is no such run, or it has no float file.
        DataError: the data are not those of the run.
    """
    run = find_run(store, text, (names.TRAINING, names.VARIANT), "training or variant")
    kind = TRAINING_KINDS.get(run.tags.get(names.TRAINING_KIND, ""), TRAINING_KINDS["float"])
    if kind.float_file is None:
        raise StoreError(
            f"run {run.run_id} ({run.name}): is of a quantization-aware training, which has no float file to start "
            "from; give its float training or one of that one's variants"
        )
    variants = store.with_key(names.VARIANT, names.TRAINING_KEY, run.tags[names.TRAINING_KEY])
    floats = [
        each for each in variants if each.is_finished and each.params.get("quantization.name") == kind.float_file
    ]  # fmt: skip
    content = next((found for each in floats if (found := store.artifacts.read(each, names.MODEL_FILE))), None)
    if content is None:
        raise StoreError(
            f"run {run.run_id} ({run.name}): its training has no intact float32 file; make one with segsweep run ... "
            f"quantization={kind.float_file}"
        )
    settings = store.artifacts.read(floats[0], names.CONFIG_FILE)
    if settings is None:
        raise StoreError(f"run {floats[0].run_id}: its {names.CONFIG_FILE} is missing or damaged")
    stored = OmegaConf.create(settings.decode())
    assert isinstance(stored, DictConfig)
    config = _overridden(stored, overrides, compose)
    dataset = for_model(load_dataset(config.data), config.model)
    _check_same_data(floats[0], dataset)
    # Who taught the training has no part in its images.
    asked = replace(
        config,
        training=replace(config.training, teacher=None),
        quantization=replace(config.quantization, name="int8", distillation=0.0),
    )
    spec = lineage(asked, dataset).asked
    images = calibration_images(calibration_indices(spec, dataset), dataset, spec.size)
    training = next((each for each in _trainings(store, run) if each.is_finished), None)
    return Source(
        content, config, dataset, dataset.normalization, images, read(content), store=store, run=run, training=training
    )


def file_source(path: Path, overrides: Sequence[str], compose: Compose) -> Source:
    """A `.tflite` file, ours or not, with the data that `overrides` describe.

    Raises:
        ModelError: it cannot be read, is quantized already, or does not take images of that data.
        ConfigError: no data are given, or they are wrong.
    """
    content = read_file(path)
    layers(content)
    found = file_on_data(path, content, overrides, compose)
    config, dataset = found.config, found.dataset
    settings = config.quantization.calibration
    samples = min(settings.samples or DEFAULT_CALIBRATION_SAMPLES, len(dataset.train))
    indices = CHOICES[settings.choice](dataset.train, samples, settings.seed)
    normalized = replace(dataset, normalization=found.normalization)
    images = calibration_images(indices.tolist(), normalized, found.model.input_shape[:2])
    return Source(content, config, dataset, found.normalization, images, found.metadata)


def _trainings(store: Store, run: RunRecord) -> list[RunRecord]:
    return store.with_key(names.TRAINING, names.TRAINING_KEY, run.tags[names.TRAINING_KEY])


def _check_same_data(run: RunRecord, dataset: Dataset) -> None:
    """Refuse other data than the run's: what was found on them would be of nothing."""
    known = json.loads(run.tags.get(names.DATA_FINGERPRINT, "{}"))
    for name, split in (("training", dataset.train), ("validation", dataset.validation)):
        expected = known.get({"training": "train"}.get(name, name))
        if expected is not None and expected != split.fingerprint:
            raise DataError(
                f"{dataset.name}: its {name} images are not those of run {run.run_id}; give where they are now as "
                "data.SETTING=..., or train again"
            )


def _overridden(stored: DictConfig, overrides: Sequence[str], compose: Compose) -> JobConfig:
    """The settings of a run, with other ones for its data."""
    # A section that came with a later version is what it was without it.
    later = {name: choices["default"]() for name, choices in SECTIONS.items() if name not in stored}
    strays = [word for word in overrides if not word.startswith(("data=", "data."))]
    if strays:
        raise ConfigError(f"{strays[0]}: of a run, only its data can be given otherwise (data.SETTING=...)")
    if any(word.startswith("data=") for word in overrides):
        return replace(to_job_config(stored, later), data=compose(overrides).data)
    for word in overrides:
        key, _, value = word.partition("=")
        OmegaConf.update(stored, key, yaml.safe_load(value))
    return to_job_config(stored, later)
