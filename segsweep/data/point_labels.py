"""Sparse labels out of full ones: some points of each class in each training image, the rest unknown.

As people click them: Bearman et al. 2016, What's the Point: Semantic Segmentation with Point Supervision,
arXiv 1506.02106.
"""

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from segsweep.config.data_schema import DataConfig
from segsweep.data.dataset import IGNORE, Dataset, Split, survey_of
from segsweep.data.survey import Survey
from segsweep.errors import ConfigError


@dataclass(frozen=True)
class PointSplit:
    """A split of which only some labels are known; which ones depends on the seed and the image's index alone."""

    inner: Split = field(repr=False)
    """With all labels."""
    points: int
    """Pixels of each class that stay labelled in each image, or as many as it has."""
    seed: int

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.inner.image_shape

    @cached_property
    def fingerprint(self) -> str:
        return hashlib.sha256(f"{self.inner.fingerprint} {self.points} {self.seed}".encode()).hexdigest()

    @cached_property
    def survey(self) -> Survey:
        known = survey_of(self.inner)
        counts = known.counts.copy()
        counts[:, :IGNORE] = np.minimum(counts[:, :IGNORE], self.points)
        counts[:, IGNORE] += known.counts.sum(axis=1) - counts.sum(axis=1)
        return replace(known, counts=counts)

    def __len__(self) -> int:
        return len(self.inner)

    def read(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images, labels = self.inner.read(indices)
        return images, np.stack(
            [self._thinned(int(index), label) for index, label in zip(indices, labels, strict=True)]
        )

    def _thinned(self, index: int, label: np.ndarray) -> np.ndarray:
        random = np.random.default_rng((self.seed, index))
        flat = label.ravel()
        kept = np.full_like(flat, IGNORE)
        for value in np.unique(flat[flat != IGNORE]):
            places = np.flatnonzero(flat == value)
            kept[random.permutation(places)[: self.points]] = value
        return kept.reshape(label.shape)


def with_points(dataset: Dataset, config: DataConfig) -> Dataset:
    """The data set with the training labels that `config.points` leaves; itself where it leaves all.

    Raises:
        ConfigError: whole images have labels.
    """
    if config.points is None:
        return dataset
    if not dataset.task.by_pixel:
        raise ConfigError(f"data.points={config.points} thins masks, and data={dataset.name} has a class an image")
    return replace(dataset, train=PointSplit(dataset.train, config.points, config.points_seed))
