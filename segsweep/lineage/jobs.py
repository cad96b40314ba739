"""What a job consists of: the file it was asked for, what it is made from, and what it is compared with.

A setting that is not used is in no key, so jobs that differ only in it share the work.
"""

from dataclasses import replace

from segsweep.config.schema import JobConfig
from segsweep.data.batches import network_size
from segsweep.data.dataset import Dataset
from segsweep.lineage.specs import JobSpec, Teaching, TrainingSpec, VariantSpec
from segsweep.lineage.trainings import distillation, finetune, float_training
from segsweep.lineage.variants import variant_spec
from segsweep.models.table import size_multiple
from segsweep.quantization.training_kinds import CONTROL, TRAINING_KINDS, TrainingKind, chain
from segsweep.quantization.variants import QAT_MIXED, Variant, variant_named
from segsweep.resolving import resolved


def lineage(config: JobConfig, dataset: Dataset) -> JobSpec:
    """What the job of `config` on `dataset` consists of.

    Raises:
        ConfigError: a setting does not fit the data.
    """
    config = resolved(config, dataset)
    multiple = size_multiple(config.model)
    training_size = network_size([dataset.train.image_shape, dataset.validation.image_shape], multiple)
    size = network_size([(*training_size, 0), dataset.test.image_shape], multiple)
    base = float_training(config, dataset, training_size)

    baseline = variant_spec("float32", base, config, dataset, size, None, None)
    name = config.quantization.name
    if name == baseline.variant.name:
        return JobSpec(config, (baseline,), baseline)
    kind = TRAINING_KINDS[variant_named(name).training_kind]
    taught = distillation(config, dataset, base) if any(each.rounds for each in chain(kind.name)) else None
    training, start = base, None
    for each in chain(kind.name):
        before, begin = training, _start(each, training, config, dataset, training_size)
        training = finetune(each.name, before, start=begin, taught=taught if each.rounds else None)
        start = _start(each, before, config, dataset, size)
    variants, source = [baseline], baseline if training is base else None
    if not variant_named(name).is_converted and source is None:
        assert kind.float_file is not None
        source = variant_spec(kind.float_file, training, config, dataset, size, None, baseline)
        variants.append(source)
    asked = variant_spec(name, training, config, dataset, size, source, baseline, start)
    variants.append(asked)
    if kind.is_finetune and config.quantization.control:
        untaught = replace(config, quantization=replace(config.quantization, distillation=0.0))
        variants += _controls(asked, untaught, dataset, size, baseline, None)
        if taught is not None:
            variants += _controls(asked, config, dataset, size, baseline, taught)
    return JobSpec(config, tuple(variants), asked)


def _start(
    kind: TrainingKind, before: TrainingSpec, config: JobConfig, dataset: Dataset, size: tuple[int, int]
) -> VariantSpec | None:
    """The post-training file of the weights `before` that a fine-tune of a kind begins at."""
    if kind.starts_at is None:
        return None
    float_file = TRAINING_KINDS[before.kind].float_file
    assert float_file is not None
    source = variant_spec(float_file, before, config, dataset, size, None, None)
    return variant_spec(kind.starts_at, before, config, dataset, size, source, None)


def controls_of(variant: Variant) -> tuple[str, ...]:
    """The variants of the float fine-tune that stand beside a variant after a fine-tune; it is compared with the last.

    The others are what that one is made from.
    """
    if variant.name == QAT_MIXED.name:
        return ("float32", "mixed")
    if not variant.integer:
        return ("float32",)
    return ("float32", "int4" if variant.weights == "int4" else "int8")


def _controls(
    asked: VariantSpec,
    config: JobConfig,
    dataset: Dataset,
    size: tuple[int, int],
    baseline: VariantSpec,
    taught: Teaching | None,
) -> list[VariantSpec]:
    """The float fine-tune with as many epochs as led to the variant asked for, untaught or taught alike."""
    epochs = config.quantization.epochs * len(chain(asked.training.kind))
    config = replace(config, quantization=replace(config.quantization, epochs=epochs))
    training = finetune(CONTROL, asked.training.root, epochs=epochs, taught=taught)
    found: list[VariantSpec] = []
    for name in controls_of(asked.variant):
        found.append(variant_spec(name, training, config, dataset, size, found[0] if found else None, baseline))
    return found
