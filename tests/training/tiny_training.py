"""A training of a second, for the tests; as a program, one that may be killed in the middle of it.

    python tiny_training.py WEIGHTS CHECKPOINT [READS]

writes the final weights to WEIGHTS (.npz). With READS, it kills itself with SIGKILL at that read of the training data.
"""

import os
import signal
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from segsweep.config.schema import LossConfig, StridedUnetConfig
from segsweep.config.training_schema import AugmentationConfig, TrainingConfig
from segsweep.data.dataset import IGNORE, ArraySplit, Dataset, Normalization

SIZE = (16, 16)
MODEL = StridedUnetConfig(width=2, depth=1)
SYMMETRIES = AugmentationConfig(flips=True, turns=True)
TRAINING = TrainingConfig(epochs=4, batch_size=4, learning_rate=0.01, augmentation=SYMMETRIES)
LOSS = LossConfig()


def split(images: int, seed: int, height: int = 15, classes: int = 2, ignored: float = 0.1) -> ArraySplit:
    """Images with 3 bands, the first of which shows the label through noise."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, (images, height, 16)).astype(np.uint8)
    bands = random.normal(0, 1, (images, height, 16, 3)).astype(np.float32)
    bands[..., 0] += 2 * labels
    labels[random.random(labels.shape) < ignored] = IGNORE
    return ArraySplit(bands, labels)


def dataset(classes: int = 2, **splits: ArraySplit) -> Dataset:
    return Dataset(
        name="tiny",
        classes=tuple(f"class_{index}" for index in range(classes)),
        palette=((0, 0, 0),) * classes,
        bands=("a", "b", "c"),
        rgb=(0, 1, 2),
        train=splits.get("train", split(10, seed=0)),
        validation=splits.get("validation", split(5, seed=1)),
        test=split(1, seed=2),
        normalization=Normalization(np.full(3, 0.5, np.float32), np.full(3, 1.1, np.float32)),
    )


@dataclass(frozen=True)
class KillingSplit(ArraySplit):
    reads_left: list[int] = field(default_factory=lambda: [0])

    def read(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.reads_left[0] -= 1
        if self.reads_left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(indices)


def main(weights: str, checkpoint: str, reads: str = "") -> None:
    from segsweep.training.runtime import configure

    configure(1)
    from segsweep.models.table import build_model
    from segsweep.training.trainer import fit

    data = dataset()
    if reads:
        data = replace(data, train=KillingSplit(data.train.images, data.train.labels, reads_left=[int(reads)]))
    model = build_model(MODEL, (*SIZE, 3), 2, seed=5)
    result = fit(
        model, data, training=TRAINING, loss=LOSS, size=SIZE, seed=5, checkpoint=Path(checkpoint), training_key="tiny"
    )
    np.savez(weights, *model.get_weights())
    print(result.resumed_from)


if __name__ == "__main__":
    main(*sys.argv[1:])
