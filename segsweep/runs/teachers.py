"""The network that teaches a training, as it is asked."""

from typing import TYPE_CHECKING

import numpy as np

from segsweep.data.dataset import Normalization
from segsweep.lineage.specs import TrainingSpec
from segsweep.runs.context import Context
from segsweep.runs.stored_teachers import stored_teacher
from segsweep.runs.trained_models import weights_of
from segsweep.tflite.metadata import Metadata

if TYPE_CHECKING:
    from segsweep.training.teacher import Rescaling, Teacher


def teacher_of(spec: TrainingSpec, context: Context) -> "Teacher | None":
    """The teacher of a training; None where it has none.

    A teacher that is no run of the store has been found or made in this job. The network is built anew: nothing else
    in the job has, or changes, its variables.

    Raises:
        StoreError: it is missing or damaged.
    """
    if spec.taught is None:
        return None
    from segsweep.models.table import build_model
    from segsweep.training.teacher import Teacher

    config, rescaling = spec.root.config, None
    if spec.taught.training is not None:
        config, record = spec.taught.training.config, context.found[spec.taught.key]
    else:
        stored = stored_teacher(context.store, spec.taught.key)
        config, record = stored.config, stored.training
        rescaling = rescaling_between(context.dataset.normalization, stored.metadata)
    dataset = context.dataset
    shape = (*spec.size, dataset.train.image_shape[2])
    model = build_model(config.model, shape, len(dataset.classes), config.seed)
    model.set_weights(weights_of(record, context.store))
    return Teacher(model, spec.taught.weight, rescaling=rescaling)


def rescaling_between(ours: Normalization, theirs: Metadata) -> "Rescaling | None":
    """From images normalized as `ours` to images normalized as a file says; None where both are the same."""
    from segsweep.training.teacher import Rescaling

    mean, std = np.array(theirs.mean, np.float32), np.array(theirs.std, np.float32)
    if np.array_equal(mean, ours.mean) and np.array_equal(std, ours.std):
        return None
    wide = [each.astype(np.float64) for each in (ours.mean, ours.std, mean, std)]
    factor, shift = wide[1] / wide[3], (wide[0] - wide[2]) / wide[3]
    return Rescaling(factor.astype(np.float32), shift.astype(np.float32))
