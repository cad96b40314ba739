"""The kinds of trainings: where each starts, and what its weights keep to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

BY_CHANNEL, BY_TENSOR, BY_RECIPE, BY_START = "by channel", "by tensor", "by recipe", "by the recipe of its start"
"""How a training rounds: to 8 bits, with a scale for the weights of each channel or for all of a layer; or as a recipe
says of each layer, with a scale for each channel: one that the user gives, or that of the file that it starts at."""


@dataclass(frozen=True)
class TrainingKind:
    """How weights are made."""

    name: str
    starts_from: str | None = None
    """The kind whose weights it fine-tunes; None: trained from scratch."""
    rounds: str | None = None
    """How it rounds while it computes, as an int8 file does: `BY_CHANNEL`, `BY_TENSOR`, `BY_RECIPE` or `BY_START`;
    None: not at all."""
    keeps: Literal["zeros", "clusters"] | None = None
    """What its weights have in the end."""
    starts_at: str | None = None
    """The post-training file of the weights that it fine-tunes, by the variant's name, whose ranges it begins with, and
    which is kept where the file after it has no better score on validation images; None where it does not round."""
    float_file: str | None = None
    """The variant that is its weights as they are; None where they only make sense rounded."""
    words: str = ""
    """What several of them are called."""
    origin: str = ""
    """Completes "... from the training X"."""

    @property
    def is_finetune(self) -> bool:
        """Whether it starts from weights of another training."""
        return self.starts_from is not None


SECTION_OF: Mapping[str | None, str] = {"zeros": "pruning", "clusters": "clustering"}
"""From what weights keep to, to the section of `quantization` that says how much of it."""

CONTROL = "finetune"
"""The float fine-tune without any constraint, which the others are compared with."""

TRAINING_KINDS: Mapping[str, TrainingKind] = {
    kind.name: kind
    for kind in (
        TrainingKind("float", float_file="float32", words="float trainings", origin="Trained"),
        TrainingKind(
            "qat",
            starts_from="float",
            starts_at="int8",
            rounds=BY_CHANNEL,
            words="QAT fine-tunes",
            origin="Fine-tuned to 8-bit arithmetic",
        ),
        TrainingKind(
            "pruned",
            starts_from="float",
            keeps="zeros",
            float_file="pruned_float32",
            words="fine-tunes with pruning",
            origin="Fine-tuned while its smallest weights were set to 0",
        ),
        TrainingKind(
            "clustered",
            starts_from="float",
            keeps="clusters",
            float_file="clustered_float32",
            words="fine-tunes with clustered weights",
            origin="Fine-tuned with few distinct weights a layer",
        ),
        TrainingKind(
            "pqat",
            starts_from="pruned",
            starts_at="pruned_int8",
            rounds=BY_CHANNEL,
            keeps="zeros",
            words="QAT fine-tunes of pruned weights",
            origin="Fine-tuned to 8-bit arithmetic, zeros kept,",
        ),
        TrainingKind(
            "cqat",
            starts_from="clustered",
            starts_at="clustered_int8",
            # With a scale for each channel, equal weights of two channels become unequal integers.
            rounds=BY_TENSOR,
            keeps="clusters",
            words="QAT fine-tunes of clustered weights",
            origin="Fine-tuned to 8-bit arithmetic, clusters kept,",
        ),
        TrainingKind(
            "qat_int4",
            starts_from="float",
            starts_at="int4",
            rounds=BY_START,
            words="QAT fine-tunes for 4-bit weights",
            origin="Fine-tuned to 4-bit weights and 8-bit activations",
        ),
        TrainingKind(
            "qat_mixed",
            starts_from="float",
            starts_at="mixed",
            rounds=BY_RECIPE,
            words="QAT fine-tunes for a recipe",
            origin="Fine-tuned to the arithmetic of a recipe",
        ),
        TrainingKind(
            CONTROL,
            starts_from="float",
            float_file="float32",
            words="float fine-tunes (controls)",
            origin="Fine-tuned in float without constraint, as the control of fine-tunes of the same budget,",
        ),
    )
}
"""By the name that stands in `segsweep.training_kind`, in the order in which people read them."""


def chain(kind: str) -> tuple[TrainingKind, ...]:
    """The fine-tunes that lead to a kind, the first of them first; none for `float`."""
    this = TRAINING_KINDS[kind]
    return () if this.starts_from is None else (*chain(this.starts_from), this)
