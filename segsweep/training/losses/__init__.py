"""The losses: functions of logits and labels that training minimizes."""

from segsweep.training.losses.class_weighting import class_weights
from segsweep.training.losses.counted_pixels import Loss
from segsweep.training.losses.table import LOSSES, build_loss

__all__ = ["LOSSES", "Loss", "build_loss", "class_weights"]
