"""What goes into predicting a scene, and the parts that come out."""

from dataclasses import dataclass

import numpy as np

from segsweep.predict.member import BandTable
from segsweep.predict.scene import Window


@dataclass(frozen=True)
class Feed:
    """How the ensemble's models are fed from a scene."""

    read: tuple[int, ...]
    """The bands of the scene that are read."""
    used: tuple[tuple[int, ...], ...]
    """For each model, which of those it takes."""
    scale: float
    tables: tuple[list[BandTable] | None, ...]
    """For each model, what its histograms become."""
    shown: bool = True
    """Whether the pixels themselves are wanted of what is predicted."""


@dataclass(frozen=True)
class Block:
    """A part of the scene that is predicted for good."""

    window: Window
    pixels: np.ndarray
    """(C, h, w), as stored, of the bands that were read; of none where they are not wanted."""
    probabilities: np.ndarray
    """(K, h, w) float32; without meaning where data are missing."""
    missing: np.ndarray | None
    """(h, w) bool; None where nothing is."""
