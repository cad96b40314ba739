"""What the int8 input leaves of each band, and what it costs."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from segsweep.candidates.bands.remedies import AS_IS, REMEDIES, Remedied, remedied
from segsweep.candidates.bands.statistics import BandsOnGrid, BandStatistics, InputGrid, band_statistics
from segsweep.candidates.problem import Problem, spread
from segsweep.candidates.source import Source
from segsweep.candidates.trial import METRICS, counted
from segsweep.errors import ModelError, VariantError
from segsweep.evaluation.bootstrap import Interval, paired_interval
from segsweep.tflite.interpreter import TFLiteModel

LOST, COARSE, CLIPPED, CONSTANT, FINE = "lost", "coarse", "clipped", "constant", "fine"
_COARSE_BITS = 2.0
"""So many more than a lost band, and a band is no longer coarse."""
_CLIPPED_SHARE = 0.01
"""Of a band's values, above which it counts as clipped."""


@dataclass(frozen=True, eq=False)
class Tried:
    """A file, scored on validation images."""

    file: Remedied
    grid: InputGrid = field(repr=False)
    by_image: np.ndarray = field(repr=False)
    """(N, K, K) confusion counts."""
    agreement: float
    """Share of the pixels with the class that the float file gives them."""

    @property
    def name(self) -> str:
        """Of the remedy."""
        return self.file.remedy.name

    def score(self, metric: str) -> float:
        """One of `METRICS`, of all images together."""
        return float(METRICS[metric](self.by_image.sum(axis=0, keepdims=True))[0])

    def change(self, metric: str, exact: np.ndarray) -> Interval | None:
        """Against other counts of the same images, with the 95 % interval; None where they are too few for one."""
        return paired_interval(self.by_image, exact, METRICS[metric], groups=self.file.problem.groups[: len(exact)])


@dataclass(frozen=True)
class Audit:
    """All that is known of the bands."""

    names: tuple[str, ...]
    """Of the C bands."""
    mean: np.ndarray
    """(C,) what is subtracted from each."""
    std: np.ndarray
    """(C,) what each is divided by."""
    training: BandStatistics
    """With a grid for each of `tried`."""
    test: BandStatistics | None
    """The same of test images, where that was asked for."""
    tried: tuple[Tried, ...]
    """The file as a job makes it first."""
    exact: np.ndarray = field(repr=False)
    """(N, K, K) confusion counts of the float file."""
    refusal: str | None
    """Why bands were not rescaled."""
    least_bits: float
    """Of a band that is not lost."""
    percentile: float
    """That clipping keeps."""

    def normalized(self, values: np.ndarray) -> np.ndarray:
        """Values (..., C) as stored, as the float file takes them."""
        return (values - self.mean) / self.std

    def exact_score(self, metric: str) -> float:
        """Of the float file."""
        return float(METRICS[metric](self.exact.sum(axis=0, keepdims=True))[0])

    def best(self, metric: str) -> Tried:
        """Of the files whose scores cannot be told from the highest one, that with most pixels as in the float file.

        On too few images for an interval none can be.
        """
        highest = max(self.tried, key=lambda each: each.score(metric))
        changes = [each.change(metric, highest.by_image) for each in self.tried]
        alike = [
            each for each, change in zip(self.tried, changes, strict=True) if change is None or change.is_within_noise
        ]
        return max(alike, key=lambda each: each.agreement)

    def grid_of(self, tried: Tried) -> BandsOnGrid:
        """What its input leaves of the training images' bands."""
        return self.training.grids[self.tried.index(tried)]

    def verdicts(self, grid: BandsOnGrid) -> list[str]:
        """A word for each band."""
        return [
            verdict(
                float(grid.bits[band]),
                float(grid.clipped[band]),
                is_constant=bool(self.training.high[band] == self.training.low[band]),
                least_bits=self.least_bits,
            )
            for band in range(len(self.names))
        ]


def verdict(bits: float, clipped: float, *, is_constant: bool, least_bits: float) -> str:
    """What is to be said of a band, the worst first."""
    found = {
        CONSTANT: is_constant,
        LOST: bits < least_bits,
        CLIPPED: clipped > _CLIPPED_SHARE,
        COARSE: bits < least_bits + _COARSE_BITS,
        FINE: True,
    }
    return next(word for word, holds in found.items() if holds)


def audit(
    source: Source,
    problem: Problem,
    *,
    images: int,
    percentile: float,
    least_bits: float,
    test: bool,
    on_file: Callable[[int, int], None] | None = None,
) -> Audit:
    """Make the file in all ways, score each, and look at the bands of training images.

    Args:
        source: of the float file.
        problem: of the same.
        images: training images at most, and test images.
        percentile: share of the values, in percent, that clipping keeps.
        least_bits: a band with fewer is lost.
        test: whether to look at the bands of the test images too.
        on_file: called with how many files are scored, and how many there will be.

    Raises:
        ModelError: the file cannot be quantized.
    """
    own = source.config.quantization.calibration.percentile
    tried: list[Tried] = []
    refusal = None
    for place, remedy in enumerate(REMEDIES):
        try:
            file = remedied(remedy, problem, source.calibration_images, own, percentile)
        except (ModelError, VariantError) as error:
            if remedy.rescale is None:
                raise
            refusal = str(error)
            continue
        answers = counted(file.content, file.problem, len(problem.images))
        tried.append(Tried(file, _grid(file), answers.by_image, answers.agreement))
        if on_file is not None:
            on_file(place + 1, len(REMEDIES))
    assert tried[0].file.remedy is AS_IS
    splits = [source.dataset.train, *([source.dataset.test] if test else [])]
    looked = [
        band_statistics(
            split, np.sort(spread(len(split))[:images]), source.normalization, [each.grid for each in tried]
        )
        for split in splits
    ]
    return Audit(
        names=source.dataset.bands,
        mean=source.normalization.mean.astype(np.float64),
        std=source.normalization.std.astype(np.float64),
        training=looked[0],
        test=looked[1] if test else None,
        tried=tuple(tried),
        exact=problem.reference_counts,
        refusal=refusal,
        least_bits=least_bits,
        percentile=percentile,
    )


def _grid(file: Remedied) -> InputGrid:
    port = TFLiteModel(file.content).input_port
    return InputGrid(port.scale, port.zero_point, port.lowest, port.highest, file.factors)
