"""What one job needs: trainings and variants, and how they descend from each other."""

from dataclasses import dataclass, field
from typing import Any

from segsweep.config.keys import content_key
from segsweep.config.schema import JobConfig
from segsweep.config.training_schema import TEMPERATURE
from segsweep.quantization.recipe import Recipe
from segsweep.quantization.variants import Variant


@dataclass(frozen=True)
class Teaching:
    """Whose logits a training learns from, beside the labels."""

    key: str
    """Training key of the teacher, a float training."""
    weight: float
    """Of the divergence from its logits; > 0."""
    unlabelled: tuple[str, ...]
    """Fingerprint of the unlabelled images that are learned from too; empty where there are none."""
    training: "TrainingSpec | None"
    """The teacher, where it is trained when it is missing; None where it is a run of the store."""

    @property
    def determines(self) -> dict[str, Any]:
        """What of it bears on the weights of the training."""
        return {
            "teacher": self.key,
            "weight": self.weight,
            "temperature": TEMPERATURE,
            "unlabelled": list(self.unlabelled),
        }


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
    images: int = 0
    """Training images; those with pseudo-labels alone are not counted."""
    taught: Teaching | None = None
    """Whose logits it learns from; None: nobody's."""
    start: "VariantSpec | None" = None
    """The post-training file, of the size of the network while training, that a quantization-aware training begins
    at: it has its ranges."""

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
    ranges_key: str = ""
    """Hash of all that determines the ranges of activations, and a recipe that is found, beside the weights."""
    start: "VariantSpec | None" = None
    """The post-training file that a quantization-aware fine-tune begins at, which is kept where the validation says
    that the fine-tune made it no better."""


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
    """What a training starts from and learns from, directly or not, the first of them first, then itself."""
    taught_by = training.taught.training if training.taught is not None else None
    before = (each for each in (training.teacher, taught_by, training.parent) if each is not None)
    return [*(ancestor for each in before for ancestor in _ancestry(each)), training]
