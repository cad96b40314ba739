"""Which training images fix the ranges of integer activations, and what they are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segsweep.data.batches import evaluation_batches
from segsweep.data.choosing_images import CHOICES
from segsweep.data.dataset import Dataset
from segsweep.lineage.specs import VariantSpec


def calibration_indices(spec: VariantSpec, dataset: Dataset) -> tuple[int, ...]:
    """Which training images calibrate the variant; none where it needs none."""
    settings = spec.config.quantization.calibration
    if not spec.variant.calibrated:
        return ()
    assert settings.samples is not None
    return tuple(CHOICES[settings.choice](dataset.train, settings.samples, settings.seed).tolist())


def calibration_images(indices: Sequence[int], dataset: Dataset, size: tuple[int, int]) -> np.ndarray:
    """Those training images (N, H, W, C) float32, normalized, and padded to `size` (height, width)."""
    subset = _Subset(dataset, np.array(indices))
    batches = evaluation_batches(subset, dataset.normalization, size=size, batch_size=len(indices))
    return np.concatenate([images for images, _ in batches])


@dataclass(frozen=True)
class _Subset:
    """Some images of the training split, as a split."""

    dataset: Dataset
    indices: np.ndarray

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.dataset.train.image_shape

    @property
    def fingerprint(self) -> str:
        return self.dataset.train.fingerprint

    def __len__(self) -> int:
        return len(self.indices)

    def read(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.dataset.train.read(self.indices[indices])
