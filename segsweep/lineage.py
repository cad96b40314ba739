"""What one job needs: which trainings and variants, how they descend from each other, and their keys.

A key holds all that determines the thing and nothing else: a setting that is not used is left out, so jobs that
differ only in it share the work.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from segsweep.config.data_schema import DataConfig
from segsweep.config.job_config import parameters
from segsweep.config.keys import content_key, versions
from segsweep.config.loss_schema import unused_terms, used_loss_settings
from segsweep.config.schema import JobConfig
from segsweep.config.training_schema import FineTuningConfig, PseudoLabelsConfig
from segsweep.config.used_training_settings import SWITCHES, unused_training_settings, used_training_settings
from segsweep.data.batches import network_size
from segsweep.data.dataset import Dataset, Split
from segsweep.models.initial_weights import initial_weights_digest
from segsweep.models.table import size_multiple
from segsweep.models.weights_files import weights_file, weights_settings
from segsweep.quantization.recipe import Recipe, read_recipe
from segsweep.quantization.variants import MIXED, Variant, variant_named
from segsweep.resolving import resolved

TRAINING_FORMAT = 1
"""Raised when the trainer changes what weights come out of the same settings."""

VARIANT_FORMAT = 1
"""Raised when a variant is made or described otherwise."""

EVALUATION_FORMAT = 2
"""Raised when scores are computed otherwise."""

FINETUNED_FROM_QAT = ("float32", "int8")
"""The variants of the float fine-tune that stand beside a QAT variant as its control."""


@dataclass(frozen=True)
class TrainingSpec:
    """Weights made by gradient descent."""

    kind: str
    """`float`, `qat` or `finetune`."""
    config: JobConfig = field(repr=False)
    size: tuple[int, int]
    """Height and width of the network while training."""
    key: str
    parent: "TrainingSpec | None"
    """The float training that a fine-tune starts from."""
    teacher: "TrainingSpec | None" = None
    """The float training whose model labels pixels for this one."""


@dataclass(frozen=True)
class VariantSpec:
    """One exported file and its evaluation."""

    variant: Variant
    training: TrainingSpec
    config: JobConfig = field(repr=False)
    """The job's settings, with the name of this variant."""
    size: tuple[int, int]
    """Height and width of the file's input."""
    key: str
    evaluation_key: str
    source: "VariantSpec | None"
    """The float32 file of the same training, which a post-training variant is made from."""
    baseline: "VariantSpec | None"
    """The float32 variant of the float training, which deltas are against; None for itself."""
    recipe: Recipe | None = None
    """What each layer is, of the variant `mixed`."""


@dataclass(frozen=True)
class JobSpec:
    """One job: the variant it was asked for and what goes with it."""

    config: JobConfig = field(repr=False)
    variants: tuple[VariantSpec, ...]
    """In the order they can be made: the baseline first."""
    asked: VariantSpec

    @property
    def key(self) -> str:
        """Equal for jobs that do the same."""
        return content_key({"variants": sorted(each.evaluation_key for each in self.variants)})

    @property
    def trainings(self) -> tuple[TrainingSpec, ...]:
        """The trainings it needs, each once, parents first."""
        found: dict[str, TrainingSpec] = {}
        for each in self.variants:
            for training in (*_teachers(each.training.parent or each.training), each.training):
                found.setdefault(training.key, training)
        return tuple(found.values())


def _teachers(training: TrainingSpec) -> list[TrainingSpec]:
    """Whose labels a float training learns from, directly or not, the first of them first."""
    return [] if training.teacher is None else [*_teachers(training.teacher), training.teacher]


def lineage(config: JobConfig, dataset: Dataset) -> JobSpec:
    """What the job of `config` on `dataset` consists of.

    Raises:
        ConfigError: a setting does not fit the data.
    """
    config = resolved(config, dataset)
    multiple = size_multiple(config.model)
    training_size = network_size([dataset.train.image_shape, dataset.validation.image_shape], multiple)
    size = network_size([(*training_size, 0), dataset.test.image_shape], multiple)
    float_training = _float_training(config, dataset, training_size)

    baseline = _variant("float32", float_training, config, dataset, size, None, None)
    name = config.quantization.name
    if name == "float32":
        return JobSpec(config, (baseline,), baseline)
    if variant_named(name).training_kind == "float":
        asked = _variant(name, float_training, config, dataset, size, baseline, baseline)
        return JobSpec(config, (baseline, asked), asked)

    asked = _variant(name, _finetune("qat", float_training), config, dataset, size, None, baseline)
    variants = [baseline, asked]
    if config.quantization.control:
        control = _finetune("finetune", float_training)
        source = None
        for control_name in FINETUNED_FROM_QAT:
            variants.append(_variant(control_name, control, config, dataset, size, source, baseline))
            source = source or variants[-1]
    return JobSpec(config, tuple(variants), asked)


def used_settings(spec: VariantSpec) -> dict[str, Any]:
    """The settings that bear on a variant, by override name; the others may vary without any effect on it."""
    leaves = parameters(spec.config)
    unused = {"quantization.control", "evaluation.batch_size", "data.cache_mib"}
    for setting in unused_training_settings(spec.config.training):
        path = f"training.{setting}"
        unused |= {name for name in leaves if name == path or name.startswith(f"{path}.")} - SWITCHES
    if not spec.variant.calibrated:
        unused |= {name for name in leaves if name.startswith("quantization.calibration.")}
    elif spec.config.quantization.calibration.range != "percentile":
        unused |= {"quantization.calibration.percentile"}
    if spec.recipe is None:
        unused |= {"quantization.recipe"}
    if spec.training.kind == "float":
        unused |= {"quantization.epochs", "quantization.learning_rate"}
    other = (
        "tracking.",
        "sweep.",
        "ensemble.",
        "evaluation.latency.",
        *(f"loss.{term}." for term in unused_terms(spec.config.loss)),
    )
    return {name: value for name, value in leaves.items() if name not in unused and not name.startswith(other)}


def _fingerprints(*splits: Split) -> list[str]:
    return [split.fingerprint for split in splits]


def _normalization(data: DataConfig) -> dict[str, str]:
    """How bands are normalized, where that is not the usual way."""
    how = getattr(data, "normalize", "standard")
    return {} if how == "standard" else {"normalize": how}


def _colour_unit(config: JobConfig) -> dict[str, str]:
    """What brightness and noise are multiples of, where it once was something else."""
    augmentation = config.training.augmentation
    is_recoloured = augmentation.brightness or augmentation.noise
    return {"colour_unit": "data"} if is_recoloured and weights_file(config.model) is not None else {}


def _float_training(config: JobConfig, dataset: Dataset, size: tuple[int, int]) -> TrainingSpec:
    settings = used_training_settings(config.training)
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
            **_colour_unit(config),
            **(_pseudo_labels(config, teacher, dataset) if teacher is not None else {}),
        }
    )
    return TrainingSpec("float", config, size, key, None, teacher)


def _teacher(config: JobConfig, dataset: Dataset, size: tuple[int, int]) -> TrainingSpec:
    """The training of the round before; before the first, the one without pseudo-labels."""
    settings = config.training.pseudo_labels
    rounds = settings.rounds - 1
    before = replace(settings, rounds=rounds) if rounds else PseudoLabelsConfig()
    return _float_training(replace(config, training=replace(config.training, pseudo_labels=before)), dataset, size)


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


def _finetune(kind: str, parent: TrainingSpec) -> TrainingSpec:
    quantization = parent.config.quantization
    assert quantization.learning_rate is not None
    content = {
        "format": TRAINING_FORMAT,
        "kind": kind,
        "parent": parent.key,
        "epochs": quantization.epochs,
        "learning_rate": quantization.learning_rate,
    }
    if kind == "qat":
        content["versions"] = versions("tensorflow-model-optimization")
    config = replace(
        parent.config,
        training=replace(
            parent.config.training,
            epochs=quantization.epochs,
            learning_rate=quantization.learning_rate,
            warmup_epochs=0,
            # What a fine-tune is compared with, and exported to, is in float32.
            mixed_precision=False,
            fine_tuning=FineTuningConfig(),
            # It starts where the target may have been reached.
            early_stopping=replace(parent.config.training.early_stopping, target=None),
        ),
    )
    return TrainingSpec(kind, config, parent.size, content_key(content), parent)


def _variant(
    name: str,
    training: TrainingSpec,
    config: JobConfig,
    dataset: Dataset,
    size: tuple[int, int],
    source: VariantSpec | None,
    baseline: VariantSpec | None,
) -> VariantSpec:
    variant, recipe = variant_named(name), None
    if variant is MIXED:
        assert config.quantization.recipe is not None
        recipe = read_recipe(config.quantization.recipe)
        variant = replace(variant, calibrated=recipe.calibrated)
    content: dict[str, Any] = {
        "format": VARIANT_FORMAT,
        "training": training.key,
        "size": size,
        "name": name,
        # They travel inside the file.
        "description": [dataset.classes, dataset.palette, dataset.bands, dataset.rgb],
        "versions": versions("tensorflow") if source is None else versions("tensorflow", "ai-edge-quantizer"),
    }
    if recipe is not None:
        content["recipe"] = recipe.as_dict()
    if variant.calibrated:
        calibration = config.quantization.calibration
        content["calibration"] = {"samples": calibration.samples}
        if calibration.samples != len(dataset.train):
            content["calibration"]["seed"] = calibration.seed
        if calibration.choice != "random":
            content["calibration"]["choice"] = calibration.choice
        if calibration.range != "min_max":
            content["calibration"]["range"] = calibration.range
        if calibration.range == "percentile":
            content["calibration"]["percentile"] = calibration.percentile
        content["versions"] |= versions("ai-edge-litert")
    key = content_key(content)
    evaluation_key = content_key(
        {
            "format": EVALUATION_FORMAT,
            "variant": key,
            "test": _fingerprints(dataset.test),
            "versions": versions("ai-edge-litert"),
        }
    )
    config = replace(config, quantization=replace(config.quantization, name=name))
    return VariantSpec(variant, training, config, size, key, evaluation_key, source, baseline, recipe)
