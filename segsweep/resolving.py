"""Settings that follow from others, or from the data."""

from dataclasses import replace
from typing import Any

from segsweep.config.loss_schema import CombinedLossConfig
from segsweep.config.schema import JobConfig
from segsweep.config.training_schema import WIDEST, PseudoLabelsConfig
from segsweep.data.dataset import IGNORE, Dataset, survey_of
from segsweep.data.pseudo_labels import require_apart
from segsweep.data.view import suited
from segsweep.errors import ConfigError
from segsweep.models.encoders import frozen_blocks
from segsweep.models.initial_weights import check_initial_weights
from segsweep.models.input_scaling import uses_own_statistics
from segsweep.models.table import check_task
from segsweep.quantization.training_kinds import chain
from segsweep.quantization.variants import variant_named
from segsweep.training.optimizer_steps import with_enough_steps
from segsweep.training.phases import fine_tuning_rate

DEFAULT_CALIBRATION_SAMPLES = 64
FINETUNE_LEARNING_RATE_FACTOR = 0.1


def resolved(config: JobConfig, dataset: Dataset) -> JobConfig:
    """The settings with each that was left open filled in.

    Raises:
        ConfigError: one does not fit the data.
    """
    check_task(config.model, dataset.task, dataset.name)
    _check_teaching(config, dataset)
    quantization = config.quantization
    available = len(dataset.train)
    samples = quantization.calibration.samples
    if samples is not None and samples > available and _is_calibrated(config):
        raise ConfigError(
            f"quantization.calibration.samples={samples} is more than the {available} training images; "
            f"give at most {available}, or null for as many as there are up to {DEFAULT_CALIBRATION_SAMPLES}"
        )
    samples = min(DEFAULT_CALIBRATION_SAMPLES, available) if samples is None else samples
    weights = config.loss.class_weights
    if isinstance(weights, list) and len(weights) != len(dataset.classes):
        raise ConfigError(
            f"loss.class_weights has {len(weights)} weights for {len(dataset.classes)} classes "
            f"({', '.join(dataset.classes)}); give one a class"
        )
    loss = config.loss
    if isinstance(loss, CombinedLossConfig):
        loss = replace(loss, terms=loss.terms.resolved())
    rate = quantization.learning_rate
    if rate is None:
        rate = config.training.learning_rate * FINETUNE_LEARNING_RATE_FACTOR
    training = with_enough_steps(config.training, len(dataset.train), by_pixel=dataset.task.by_pixel)
    if training.fine_tuning.epochs:
        try:
            frozen_blocks(config.model, training.fine_tuning.frozen)
        except ConfigError as error:
            raise ConfigError(str(error).replace("model.frozen", "training.fine_tuning.frozen")) from error
        tuning = replace(training.fine_tuning, learning_rate=fine_tuning_rate(training))
        training = replace(training, fine_tuning=tuning)
    if training.initial_weights is not None:
        check_initial_weights(training.initial_weights, config.model, dataset.train.image_shape[2], dataset.classes)
    training = replace(
        training,
        augmentation=suited(training.augmentation, dataset.view),
        pseudo_labels=_pseudo_labels(training.pseudo_labels, dataset),
    )
    data: Any = config.data
    if getattr(data, "normalize", "standard") != "standard" and not uses_own_statistics(config.model, dataset):
        data = replace(data, normalize="standard")
    return replace(
        config,
        data=data,
        loss=loss,
        training=training,
        quantization=replace(
            quantization, learning_rate=rate, calibration=replace(quantization.calibration, samples=samples)
        ),
    )


def _pseudo_labels(settings: PseudoLabelsConfig, dataset: Dataset) -> PseudoLabelsConfig:
    """With a threshold for each class, where labels are given at all.

    Raises:
        ConfigError: there is nothing to label, or the thresholds do not fit the classes.
    """
    if not settings.rounds:
        return settings
    where = f"training.pseudo_labels.images={settings.images}"
    if not dataset.task.by_pixel:
        raise ConfigError(f"training.pseudo_labels.rounds: data={dataset.name} has a class an image, and no masks")
    if settings.images != "training" and dataset.unlabelled is None:
        raise ConfigError(f"{where}: the data has no unlabelled images; set data.unlabelled, or choose training")
    if settings.images != "unlabelled" and not survey_of(dataset.train).counts[:, IGNORE].any():
        raise ConfigError(f"{where}: every training pixel has a label; choose unlabelled, or set data.points")
    if settings.images != "training":
        _check_unlabelled(dataset, where)
    threshold = settings.threshold
    thresholds = [threshold] * len(dataset.classes) if not isinstance(threshold, list) else threshold
    if len(thresholds) != len(dataset.classes) or not all(isinstance(each, int | float) for each in thresholds):
        raise ConfigError(
            f"training.pseudo_labels.threshold={threshold} must be a number, or one for each of the "
            f"{len(dataset.classes)} classes ({', '.join(dataset.classes)})"
        )
    return replace(settings, threshold=[float(each) for each in thresholds])


def _check_teaching(config: JobConfig, dataset: Dataset) -> None:
    """Refuse a teacher that cannot be made, or unlabelled images that it cannot be asked about.

    Raises:
        ConfigError: the first of them.
    """
    training = config.training
    if training.is_taught and training.teacher == WIDEST and training.initial_weights is not None:
        raise ConfigError(
            "training.teacher=widest: training.initial_weights are of one width, and the teacher has another; "
            "train the wide network first, and give its run as training.teacher"
        )
    kinds = chain(variant_named(config.quantization.name).training_kind)
    is_distilled = config.quantization.distillation > 0 and any(kind.rounds for kind in kinds)
    if training.is_taught or is_distilled:
        where = "quantization.distillation" if is_distilled else "training.teacher"
        if not dataset.task.by_pixel and dataset.unlabelled is not None:
            raise ConfigError(
                f"{where}: data={dataset.name} has a class an image, of which unlabelled images cannot be learned; "
                "leave data.unlabelled out"
            )
        _check_unlabelled(dataset, f"{where}: data.unlabelled")


def _check_unlabelled(dataset: Dataset, where: str) -> None:
    """Refuse unlabelled images that are validation or test images too, or of another shape than the training images.

    Raises:
        ConfigError: they are of another shape.
        DataError: an image is in both.
    """
    if dataset.unlabelled is None:
        return
    require_apart(dataset.unlabelled, dataset)
    shape, needed = dataset.unlabelled.image_shape, dataset.train.image_shape
    if shape != needed:
        raise ConfigError(f"{where}: they are {shape} (height, width, bands) where the training images are {needed}")


def _is_calibrated(config: JobConfig) -> bool:
    variant = variant_named(config.quantization.name)
    begins_at_ranges = any(kind.starts_at is not None for kind in chain(variant.training_kind))
    return variant.calibrated or begins_at_ranges or (variant.integer and config.quantization.control)
