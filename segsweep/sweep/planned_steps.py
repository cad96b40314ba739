"""How many optimizer steps the trainings of a sweep have, in words."""

from collections import Counter
from collections.abc import Sequence

from segsweep.lineage.specs import TrainingSpec
from segsweep.models.weights_files import weights_file
from segsweep.training.optimizer_steps import OptimizerSteps, optimizer_steps, remedy_of_few


def steps_text(trainings: Sequence[TrainingSpec]) -> list[str]:
    """A line for each number of optimizer steps among trainings of one kind, and what to change where they are few."""
    steps = [optimizer_steps(spec.config.training, spec.images) for spec in trainings]
    few = {each: remedy_of_few(each) for each, spec in zip(steps, trainings, strict=True) if _starts_from_scratch(spec)}
    lines = []
    for each, count in Counter(steps).items():
        lines.append(f"{count if len(set(steps)) > 1 else 'each'}: {_words(each)}")
        if few.get(each) is not None:
            lines.append(f"note: these are few optimizer steps for a training from scratch; set {few[each]}")
    return lines


def _words(steps: OptimizerSteps) -> str:
    batches = f"batches of {steps.batch_size}" if steps.batch_size < steps.images else "one batch"
    images = f"{steps.images} image{'s' if steps.images > 1 else ''}"
    return (
        f"{steps.total} optimizer steps ({images} in {batches}, {steps.epochs} epoch{'s' if steps.epochs > 1 else ''})"
    )


def _starts_from_scratch(spec: TrainingSpec) -> bool:
    """Whether it starts from random weights."""
    training = spec.config.training
    return spec.parent is None and training.initial_weights is None and weights_file(spec.config.model) is None
