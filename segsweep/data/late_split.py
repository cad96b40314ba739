"""A split that is made when somebody first asks for it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from segsweep.data.dataset import Split, survey_of
from segsweep.data.survey import Survey


@dataclass(frozen=True)
class LateSplit:
    """A split of files that nobody may ever look at, and that are not opened before."""

    make: Callable[[], Split] = field(repr=False)

    @cached_property
    def _made(self) -> Split:
        return self.make()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self._made.image_shape

    @property
    def fingerprint(self) -> str:
        return self._made.fingerprint

    @property
    def survey(self) -> Survey:
        return survey_of(self._made)

    def __len__(self) -> int:
        return len(self._made)

    def read(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self._made.read(indices)
