"""What one job needs: which trainings and variants, how they descend from each other, and their keys.

A key holds all that determines the thing and nothing else: a setting that is not used is left out, so jobs that
differ only in it share the work.
"""

from dataclasses import asdict, dataclass, field, replace
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
from segsweep.quantization.training_kinds import BY_RECIPE, CONTROL, SECTION_OF, TRAINING_KINDS, chain
from segsweep.quantization.variants import BY_RECIPE as RECIPE_VARIANTS
from segsweep.quantization.variants import QAT_MIXED, Variant, variant_named
from segsweep.resolving import resolved

TRAINING_FORMAT = 1
"""Raised when the trainer changes what weights come out of the same settings."""

VARIANT_FORMAT = 1
"""Raised when a variant is made or described otherwise."""

EVALUATION_FORMAT = 2
"""Raised when scores are computed otherwise."""


@dataclass(frozen=True)
class TrainingSpec:
    """Weights made by gradient descent."""

    kind: str
    """One of `TRAINING_KINDS`."""
    config: JobConfig = field(repr=False)
    size: tuple[int, int]
    """Height and width of the network while training."""
    key: str
    parent: "TrainingSpec | None"
    """The training that a fine-tune starts from."""
    teacher: "TrainingSpec | None" = None
    """The float training whose model labels pixels for this one."""
    recipe: Recipe | None = None
    """What a quantization-aware training rounds as, where that is not int8."""

    @property
    def root(self) -> "TrainingSpec":
        """The float training that it descends from; itself where it is one."""
        return self if self.parent is None else self.parent.root


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
            for training in _ancestry(each.training):
                found.setdefault(training.key, training)
        return tuple(found.values())


def _ancestry(training: TrainingSpec) -> list[TrainingSpec]:
    """What a training starts from and learns labels from, directly or not, the first of them first, then itself."""
    before = (each for each in (training.teacher, training.parent) if each is not None)
    return [*(ancestor for each in before for ancestor in _ancestry(each)), training]


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
    if name == baseline.variant.name:
        return JobSpec(config, (baseline,), baseline)
    kind = TRAINING_KINDS[variant_named(name).training_kind]
    training = _finetuned(kind.name, float_training)
    variants, source = [baseline], baseline if training is float_training else None
    if not variant_named(name).is_converted and source is None:
        assert kind.float_file is not None
        source = _variant(kind.float_file, training, config, dataset, size, None, baseline)
        variants.append(source)
    asked = _variant(name, training, config, dataset, size, source, baseline)
    variants.append(asked)
    if kind.is_finetune and config.quantization.control:
        variants += _controls(asked, config, dataset, size, baseline)
    return JobSpec(config, tuple(variants), asked)


def controls_of(variant: Variant) -> tuple[str, ...]:
    """The variants of the float fine-tune that stand beside a variant after a fine-tune; it is compared with the last.

    The others are what that one is made from.
    """
    if variant.name == QAT_MIXED.name:
        return ("float32", "mixed")
    return ("float32", "int8") if variant.integer else ("float32",)


def _controls(
    asked: VariantSpec, config: JobConfig, dataset: Dataset, size: tuple[int, int], baseline: VariantSpec
) -> list[VariantSpec]:
    """The float fine-tune with as many epochs as led to the variant asked for."""
    epochs = config.quantization.epochs * len(chain(asked.training.kind))
    config = replace(config, quantization=replace(config.quantization, epochs=epochs))
    training = _finetune(CONTROL, asked.training.root, epochs)
    found: list[VariantSpec] = []
    for name in controls_of(asked.variant):
        found.append(_variant(name, training, config, dataset, size, found[0] if found else None, baseline))
    return found


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
    kinds = {kind.keeps for kind in chain(spec.training.kind)}
    for keeps, section in SECTION_OF.items():
        if keeps not in kinds:
            unused |= {name for name in leaves if name.startswith(f"quantization.{section}.")}
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


def _finetuned(kind: str, float_training: TrainingSpec) -> TrainingSpec:
    """The training of a kind, after those that it starts from."""
    training = float_training
    for each in chain(kind):
        training = _finetune(each.name, training)
    return training


def _finetune(kind: str, parent: TrainingSpec, epochs: int | None = None) -> TrainingSpec:
    quantization = parent.config.quantization
    assert quantization.learning_rate is not None
    epochs = epochs or quantization.epochs
    content = {
        "format": TRAINING_FORMAT,
        "kind": kind,
        "parent": parent.key,
        "epochs": epochs,
        "learning_rate": quantization.learning_rate,
    }
    if kind != CONTROL:
        content["versions"] = versions("tensorflow-model-optimization")
    section = SECTION_OF.get(TRAINING_KINDS[kind].keeps)
    if section is not None:
        content[section] = asdict(getattr(quantization, section))
    recipe = _recipe(parent.config) if TRAINING_KINDS[kind].rounds == BY_RECIPE else None
    if recipe is not None:
        content["recipe"] = recipe.as_dict()
    config = replace(
        parent.config,
        training=replace(
            parent.config.training,
            epochs=epochs,
            learning_rate=quantization.learning_rate,
            warmup_epochs=0,
            # What a fine-tune is compared with, and exported to, is in float32.
            mixed_precision=False,
            fine_tuning=FineTuningConfig(),
            # It starts where the target may have been reached.
            early_stopping=replace(parent.config.training.early_stopping, target=None),
        ),
    )
    return TrainingSpec(kind, config, parent.size, content_key(content), parent, recipe=recipe)


def _recipe(config: JobConfig) -> Recipe:
    assert config.quantization.recipe is not None
    return read_recipe(config.quantization.recipe)


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
    if name in RECIPE_VARIANTS:
        recipe = _recipe(config)
        variant = replace(variant, calibrated=recipe.calibrated)
    content: dict[str, Any] = {
        "format": VARIANT_FORMAT,
        "training": training.key,
        "size": size,
        "name": name,
        # They travel inside the file.
        "description": [dataset.classes, dataset.palette, dataset.bands, dataset.rgb],
        "versions": versions("tensorflow") if source is recipe is None else versions("tensorflow", "ai-edge-quantizer"),
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
