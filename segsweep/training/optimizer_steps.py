"""How many optimizer steps a training has, and the batch size and epochs that give it enough. Imports no TensorFlow."""

from dataclasses import dataclass, replace

from segsweep.config.training_schema import TrainingConfig

EPOCHS = 30
"""What `training.epochs=null` is, where that is enough steps."""
MOST_EPOCHS = 100
"""What it is at most."""
BATCH_SIZES = (16, 8, 4)
"""What `training.batch_size=null` chooses from."""
BATCH_SIZES_OF_WHOLE_IMAGES = (16, 8)
"""The same where images have a class each: batch norms of small maps need more than a few images."""
FEW = 700
"""Fewer optimizer steps than this are few for a training from scratch."""
ENOUGH = 1500
"""Optimizer steps above which a smaller batch is not worth its time."""


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


def with_enough_steps(training: TrainingConfig, images: int, *, by_pixel: bool = True) -> TrainingConfig:
    """`training` with the batch size and the epochs that follow from the number of training images, where left open.

    Epochs are as many as give `FEW` steps with the smallest batch, from `EPOCHS` to `MOST_EPOCHS`. The batch size is
    then the largest that gives `ENOUGH` steps, else the smallest. What is given stays. `by_pixel`: whether pixels have
    a class, or whole images.
    """
    epochs, batch_size = training.epochs, training.batch_size
    sizes = BATCH_SIZES if by_pixel else BATCH_SIZES_OF_WHOLE_IMAGES
    if epochs is None:
        epochs = min(max(EPOCHS, -(-FEW // -(-images // sizes[-1]))), MOST_EPOCHS)
    if batch_size is None:
        enough = (size for size in sizes if -(-images // size) * epochs >= ENOUGH)
        batch_size = next(enough, sizes[-1])
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
