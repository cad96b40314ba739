"""What can be configured of each loss. What a loss can be told apart from its name stands in a class of its own, so
that it is the same where the loss is used alone (`loss.gamma`) and as a term of a sum (`loss.focal.gamma`).
"""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from segsweep.config.schema import LossConfig


@dataclass
class FocalSettings:
    """How far easy pixels are left aside (Lin et al. 2017, arXiv 1708.02002)."""

    gamma: float = 2.0
    """Exponent of 1 - p, where p is the probability of the true class; 0 is plain cross-entropy; >= 0."""


@dataclass
class MeanSettings:
    """Over which classes a loss is averaged."""

    present_only: bool = True
    """`true`: mean over the classes that the batch's truth has; `false`: over all classes."""


@dataclass
class RegionSettings(MeanSettings):
    """How the overlap of regions is measured, over all the pixels of a batch."""

    smooth: float = 1.0
    """Pixels added to numerator and denominator, which keeps gradients small where a class has next to none; > 0."""


@dataclass
class TverskySettings(RegionSettings):
    """Which errors weigh how much (Salehi et al. 2017, arXiv 1706.05721)."""

    alpha: float = 0.3
    """Weight of false positives; > 0. With `beta`, 0.5 and 0.5 is Dice, 1 and 1 is Jaccard."""
    beta: float = 0.7
    """Weight of false negatives; > 0."""
    gamma: float = 1.0
    """Exponent of each class's loss, the focal Tversky loss of Abraham & Khan (2018, arXiv 1810.07842), whose own gamma
    is 1 over this (0.75 is theirs); 1: off; > 0."""


@dataclass
class LovaszSettings(MeanSettings):
    """Which classes count in the Lovász-softmax loss (Berman et al. 2018, arXiv 1705.08790)."""


@dataclass
class FocalLossConfig(FocalSettings, LossConfig):
    """Cross-entropy in which pixels count the less, the surer they are right."""

    name: str = "focal"


@dataclass
class PartialCrossEntropyLossConfig(FocalSettings, LossConfig):
    """For sparse labels: the focal loss over the labelled pixels of each image, then over the images with any."""

    name: str = "partial_cross_entropy"


@dataclass
class DiceLossConfig(RegionSettings, LossConfig):
    """1 - Dice of each class, softly counted (Milletari et al. 2016, arXiv 1606.04797, without its squares)."""

    name: str = "dice"


@dataclass
class JaccardLossConfig(RegionSettings, LossConfig):
    """1 - intersection over union of each class, softly counted."""

    name: str = "jaccard"


@dataclass
class TverskyLossConfig(TverskySettings, LossConfig):
    """1 - Tversky index of each class: false positives and false negatives weigh differently."""

    name: str = "tversky"


@dataclass
class LovaszLossConfig(LovaszSettings, LossConfig):
    """The Lovász extension of 1 - intersection over union of each class, on the sorted errors of the softmax.

    The sorting takes long: on one core, 2 s for 8 images of 256x256 with 6 classes, 20 times as long as other losses.
    """

    name: str = "lovasz"


@dataclass
class LossTerms:
    """Weight of each loss in the sum; >= 0. All `null`: `dice` and `focal`, each 1; one given: the others are 0."""

    cross_entropy: float | None = None
    focal: float | None = None
    dice: float | None = None
    jaccard: float | None = None
    tversky: float | None = None
    lovasz: float | None = None
    partial_cross_entropy: float | None = None

    def weights(self) -> dict[str, float]:
        """Weight of each term that has one."""
        given = {name: weight for name, weight in asdict(self).items() if weight is not None}
        return {name: float(weight) for name, weight in (given or {"dice": 1.0, "focal": 1.0}).items() if weight > 0}

    def resolved(self) -> "LossTerms":
        """The same sum with the weight of each term written down."""
        return LossTerms(**{**dict.fromkeys(TERMS, 0.0), **self.weights()})


@dataclass
class CombinedLossConfig(LossConfig):
    """A weighted sum of losses. `class_weights` are those of all terms."""

    name: str = "combined"
    terms: LossTerms = field(default_factory=LossTerms)
    """What is summed: `loss.terms={dice:1,focal:2}`, or `loss.terms.dice=1,2` to sweep one weight."""
    focal: FocalSettings = field(default_factory=FocalSettings)
    dice: RegionSettings = field(default_factory=RegionSettings)
    jaccard: RegionSettings = field(default_factory=RegionSettings)
    tversky: TverskySettings = field(default_factory=TverskySettings)
    lovasz: LovaszSettings = field(default_factory=LovaszSettings)
    partial_cross_entropy: FocalSettings = field(default_factory=FocalSettings)


TERMS = tuple(each.name for each in fields(LossTerms))


def unused_terms(loss: LossConfig) -> frozenset[str]:
    """Names of the terms that a sum does without, whose settings then mean nothing."""
    return frozenset(TERMS) - loss.terms.weights().keys() if isinstance(loss, CombinedLossConfig) else frozenset()


def used_loss_settings(loss: LossConfig) -> dict[str, Any]:
    """The settings of a loss that bear on it; equal for losses that are the same."""
    unused = unused_terms(loss)
    settings = {name: value for name, value in asdict(loss).items() if name not in unused}
    if isinstance(loss, CombinedLossConfig):
        settings["terms"] = loss.terms.weights()
    return settings
