"""The trainings of a job, and their keys: all that determines the weights, and nothing else."""

from dataclasses import asdict, replace
from typing import Any

from segsweep.config.data_schema import DataConfig
from segsweep.config.keys import content_key, versions
from segsweep.config.loss_schema import used_loss_settings
from segsweep.config.schema import JobConfig
from segsweep.config.training_schema import WIDEST, FineTuningConfig, PseudoLabelsConfig
from segsweep.config.used_training_settings import used_training_settings
from segsweep.data.class_frequencies import class_frequencies
from segsweep.data.dataset import Dataset, Split
from segsweep.errors import ConfigError
from segsweep.lineage.specs import Teaching, TrainingSpec, VariantSpec
from segsweep.models.initial_weights import initial_weights_digest
from segsweep.models.weights_files import weights_file, weights_settings
from segsweep.quantization.recipe import Recipe, read_recipe
from segsweep.quantization.training_kinds import BY_RECIPE, CONTROL, SECTION_OF, TRAINING_KINDS

TRAINING_FORMAT = 1
"""Raised when the trainer changes what weights come out of the same settings."""

FINETUNE_FORMAT = 2
"""The same of fine-tunes alone."""

FINETUNE_WARMUP_EPOCHS = 1
"""Of fine-tunes of two epochs or more: a fresh optimizer at its full rate would undo part of what was learned."""


def float_training(config: JobConfig, dataset: Dataset, size: tuple[int, int]) -> TrainingSpec:
    """The training from scratch, or from weights in a file, of a network for images of (height, width)."""
    settings = used_training_settings(config.training)
    for name in ("teacher", "teacher_weight", "teacher_width"):
        # What stands for them is the teacher's key.
        settings.pop(name, None)
    taught = _taught(config, dataset, size)
    learnt = settings.pop("pseudo_labels", None)
    if config.training.initial_weights is not None:
        settings["initial_weights"] = initial_weights_digest(config.training.initial_weights)
    teacher = _teacher(config, dataset, size) if learnt is not None else None
    key = content_key(
        {
            "format": TRAINING_FORMAT,
            "kind": "float",
            "data": _fingerprints(dataset.train, dataset.validation),
            "classes": len(dataset.classes),
            "size": size,
            "model": weights_settings(config.model, dataset.rgb),
            "loss": used_loss_settings(config.loss),
            "training": settings,
            "seed": config.seed,
            "versions": versions("tensorflow", "tf-keras"),
            **_normalization(config.data),
            **_means(config, dataset),
            **_colour_unit(config),
            **(_pseudo_labels(config, teacher, dataset) if teacher is not None else {}),
            **({"taught": taught.determines} if taught is not None else {}),
        }
    )
    return TrainingSpec("float", config, size, key, None, teacher, images=len(dataset.train), taught=taught)


def distillation(config: JobConfig, dataset: Dataset, float_training: TrainingSpec) -> Teaching | None:
    """What a float training teaches its fine-tunes that round; None where `quantization.distillation` is 0."""
    weight = config.quantization.distillation
    if not weight:
        return None
    return Teaching(float_training.key, weight, _unlabelled(dataset), float_training)


def finetune(
    kind: str,
    parent: TrainingSpec,
    *,
    epochs: int | None = None,
    start: VariantSpec | None = None,
    taught: Teaching | None = None,
) -> TrainingSpec:
    """One fine-tune of the weights of `parent`.

    Args:
        kind: one of `TRAINING_KINDS`.
        parent: whose weights it starts from.
        epochs: `None`: `quantization.epochs`.
        start: the post-training file that a quantization-aware fine-tune begins at.
        taught: whose logits it learns from.
    """
    quantization = parent.config.quantization
    assert quantization.learning_rate is not None
    epochs = epochs or quantization.epochs
    content = {
        "format": [TRAINING_FORMAT, FINETUNE_FORMAT],
        "kind": kind,
        "parent": parent.key,
        "epochs": epochs,
        "learning_rate": quantization.learning_rate,
    }
    if start is not None:
        content["ranges"] = start.ranges_key
    if kind != CONTROL:
        content["versions"] = versions("tensorflow-model-optimization")
    section = SECTION_OF.get(TRAINING_KINDS[kind].keeps)
    if section is not None:
        content[section] = asdict(getattr(quantization, section))
    if taught is not None:
        content["taught"] = taught.determines
    recipe = recipe_of(parent.config) if TRAINING_KINDS[kind].rounds == BY_RECIPE else None
    if recipe is not None:
        content["recipe"] = recipe.as_dict()
    config = replace(
        parent.config,
        training=replace(
            parent.config.training,
            epochs=epochs,
            learning_rate=quantization.learning_rate,
            warmup_epochs=FINETUNE_WARMUP_EPOCHS if epochs > FINETUNE_WARMUP_EPOCHS else 0,
            # What a fine-tune is compared with, and exported to, is in float32.
            mixed_precision=False,
            # An average of pruned or clustered weights would be neither.
            ema=None,
            fine_tuning=FineTuningConfig(),
            # It starts where the target may have been reached.
            early_stopping=replace(parent.config.training.early_stopping, target=None),
        ),
    )
    key = content_key(content)
    return TrainingSpec(
        kind, config, parent.size, key, parent, recipe=recipe, start=start, images=parent.images, taught=taught
    )


def recipe_of(config: JobConfig) -> Recipe:
    """What the file says that `quantization.recipe` names."""
    assert config.quantization.recipe is not None
    return read_recipe(config.quantization.recipe)


def _taught(config: JobConfig, dataset: Dataset, size: tuple[int, int]) -> Teaching | None:
    """The teacher that `training.teacher` names.

    Raises:
        ConfigError: it is `widest`, and nothing says how wide that is.
    """
    training = config.training
    if not training.is_taught:
        return None
    unlabelled = _unlabelled(dataset)
    if training.teacher != WIDEST:
        assert training.teacher_key is not None, "a sweep looks its teachers up before anything else"
        return Teaching(training.teacher_key, training.teacher_weight, unlabelled, None)
    if training.teacher_width is None:
        raise ConfigError(
            "training.teacher=widest: there is no wider training with the same other settings in the sweep; "
            "add one to model.width, or give the teacher's width as training.teacher_width"
        )
    wide = replace(
        config,
        model=replace(config.model, width=training.teacher_width),
        training=replace(training, teacher=None, teacher_width=None),
    )
    teacher = float_training(wide, dataset, size)
    return Teaching(teacher.key, training.teacher_weight, unlabelled, teacher)


def _unlabelled(dataset: Dataset) -> tuple[str, ...]:
    return () if dataset.unlabelled is None else (dataset.unlabelled.fingerprint,)


def _teacher(config: JobConfig, dataset: Dataset, size: tuple[int, int]) -> TrainingSpec:
    """The training of the round before; before the first, the one without pseudo-labels."""
    settings = config.training.pseudo_labels
    rounds = settings.rounds - 1
    before = replace(settings, rounds=rounds) if rounds else PseudoLabelsConfig()
    return float_training(replace(config, training=replace(config.training, pseudo_labels=before)), dataset, size)


def _pseudo_labels(config: JobConfig, teacher: TrainingSpec, dataset: Dataset) -> dict[str, Any]:
    """What determines the labels that a teacher gives."""
    settings = config.training.pseudo_labels
    unlabelled = dataset.unlabelled if settings.images != "training" else None
    return {
        "pseudo_labels": {
            "teacher": teacher.key,
            "thresholds": settings.threshold,
            "images": settings.images,
            "start": settings.start,
            "unlabelled": _fingerprints(unlabelled) if unlabelled is not None else [],
        }
    }


def _fingerprints(*splits: Split) -> list[str]:
    return [split.fingerprint for split in splits]


def _normalization(data: DataConfig) -> dict[str, str]:
    """How bands are normalized, where that is not the usual way."""
    how = getattr(data, "normalize", "standard")
    return {} if how == "standard" else {"normalize": how}


def _means(config: JobConfig, dataset: Dataset) -> dict[str, str]:
    """Over which classes the score is a mean that chooses the epoch, where that once was something else."""
    lacks_a_class = not class_frequencies(dataset.validation, len(dataset.classes)).all()
    chooses = config.training.early_stopping.monitor in ("val/mean_iou", "val/mean_dice")
    return {"means": "over classes in the truth"} if lacks_a_class and chooses else {}


def _colour_unit(config: JobConfig) -> dict[str, str]:
    """What brightness and noise are multiples of, where it once was something else."""
    augmentation = config.training.augmentation
    is_recoloured = augmentation.brightness or augmentation.noise
    return {"colour_unit": "data"} if is_recoloured and weights_file(config.model) is not None else {}
