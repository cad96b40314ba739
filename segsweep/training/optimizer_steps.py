"""How many optimizer steps a training has, and the batch size and epochs that give it enough. Imports no TensorFlow."""

from dataclasses import dataclass, replace

from segsweep.config.training_schema import TrainingConfig

EPOCHS = 30
"""What `training.epochs=null` is, where that is enough steps."""
BATCH_SIZES = (16, 8, 4)
"""What `training.batch_size=null` chooses from: the largest that gives `ENOUGH` steps, else the smallest."""
ENOUGH = 700
"""Optimizer steps that batch size and epochs are chosen for where they are left open."""
FEW = 600
"""Fewer optimizer steps than this are few for a training from scratch."""
MOST_EPOCHS = 100
"""What `training.epochs=null` is at most."""


@dataclass(frozen=True)
class OptimizerSteps:
    """How often a training changes the weights."""

    images: int
    """Training images."""
    batch_size: int
    epochs: int
    """Of all phases together."""

    @property
    def per_epoch(self) -> int:
        """The last batch of an epoch may be smaller."""
        return -(-self.images // self.batch_size)

    @property
    def total(self) -> int:
        return self.per_epoch * self.epochs


def with_enough_steps(training: TrainingConfig, images: int) -> TrainingConfig:
    """`training` with the batch size and the epochs that follow from the number of training images, where left open.

    Epochs are as many as give `ENOUGH` steps with the smallest of `BATCH_SIZES`, from `EPOCHS` to `MOST_EPOCHS`. The
    batch size is then the largest that gives `ENOUGH` steps, else the smallest. What is given stays.
    """
    epochs, batch_size = training.epochs, training.batch_size
    if epochs is None:
        epochs = min(max(EPOCHS, -(-ENOUGH // -(-images // BATCH_SIZES[-1]))), MOST_EPOCHS)
    if batch_size is None:
        sizes = (size for size in BATCH_SIZES if -(-images // size) * epochs >= ENOUGH)
        batch_size = next(sizes, BATCH_SIZES[-1])
    return replace(training, batch_size=batch_size, epochs=epochs)


def optimizer_steps(training: TrainingConfig, images: int) -> OptimizerSteps:
    """The steps of a training on so many images."""
    settings = with_enough_steps(training, images)
    assert settings.batch_size is not None
    assert settings.epochs is not None
    return OptimizerSteps(images, settings.batch_size, settings.epochs + settings.fine_tuning.epochs)


def remedy_of_few(steps: OptimizerSteps) -> str | None:
    """What to change where a training from scratch has few steps; None where it has enough."""
    if steps.total >= FEW:
        return None
    smaller = [size for size in BATCH_SIZES if size < steps.batch_size]
    longer = f"training.epochs={-(-steps.epochs * FEW // steps.total)}"
    enough = next((size for size in smaller if -(-steps.images // size) * steps.epochs >= FEW), None)
    if enough is not None:
        return f"training.batch_size={enough} or {longer}"
    if not smaller:
        return longer
    fewer = replace(steps, batch_size=smaller[-1])
    return f"training.batch_size={smaller[-1]} and training.epochs={-(-FEW // fewer.per_epoch)}, or {longer}"
