"""One candidate: made, run on validation images, scored."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from segsweep.candidates.problem import Problem, calibration_key
from segsweep.config.keys import content_key
from segsweep.errors import ModelError, VariantError
from segsweep.evaluation.bootstrap import paired_interval
from segsweep.evaluation.confusion import Scores, scores
from segsweep.evaluation.file_answers import file_answers
from segsweep.quantization.activation_rounding import round_activations
from segsweep.quantization.layers import by_name, layers
from segsweep.quantization.mixed import quantize_mixed
from segsweep.quantization.post_training import Calibration
from segsweep.quantization.range_selection import METRICS
from segsweep.quantization.recipe import Recipe
from segsweep.tflite.metadata import embed

METRIC_WORDS: Mapping[str, str] = {"accuracy": "accuracy", "mean_iou": "mean IoU"}
"""The same for people."""
_INTERVAL = "jackknife t"
"""Of `Trial.lowest`. Trials that an earlier version stored have a percentile bootstrap's, and are made again."""


@dataclass(frozen=True)
class Candidate:
    """A file that can be made of the float file."""

    recipe: Recipe = field(default_factory=Recipe)
    rounded: str | None = None
    """Name of the only layer whose activations are rounded, while all weights stay in float; None: the recipe holds."""
    bits: int = 8
    """Of those activations."""
    calibration: Calibration | None = None
    """In place of the problem's."""

    def key(self, problem: Problem, images: int) -> str:
        """Of its trial on the first `images` of a problem."""
        made = asdict(self) | {"recipe": self.recipe.as_dict()}
        del made["calibration"]
        if self.calibration is not None:
            made |= calibration_key(self.calibration)
        return content_key({"problem": problem.key, "images": images, "candidate": made, "interval": _INTERVAL})


@dataclass(frozen=True)
class Trial:
    """What came out."""

    images: int
    """How many images it rests on."""
    size_bytes: int
    """Of the file, metadata included."""
    agreement: float
    """Share of the counted pixels with the class that the float file gives them."""
    counts: tuple[tuple[int, ...], ...] = field(repr=False)
    """(K, K) confusion counts; rows truth. Empty where it failed."""
    lowest: Mapping[str, float]
    """By metric, the lower end of the 95 % interval of the score's difference to the float file's. Empty where it
    failed, and where the images are too few for an interval."""
    seconds: float
    """Wall time of making, running and counting."""
    failure: str | None = None
    """Why there is no result."""

    @property
    def scores(self) -> Scores:
        """Of all its images."""
        return scores(np.array(self.counts, np.int64))

    def score(self, metric: str) -> float:
        """One of `METRICS`."""
        return float(getattr(self.scores, metric))

    def drop(self, metric: str, exact: "Trial") -> float:
        """By how much the score is below the float file's."""
        return exact.score(metric) - self.score(metric)

    def largest_drop(self, metric: str, exact: "Trial") -> float:
        """The same at the upper end of its 95 % interval; `drop` where the images are too few for an interval."""
        return max(self.drop(metric, exact), -self.lowest.get(metric, float("inf")))

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Trial":
        """What `as_dict` gave."""
        return cls(**{**values, "counts": tuple(tuple(row) for row in values["counts"])})


def make(candidate: Candidate, problem: Problem) -> bytes:
    """The candidate's file, as a job would export it.

    Raises:
        ModelError: the candidate does not fit the file.
        VariantError: the library made something else.
    """
    if candidate.rounded is not None:
        layer = by_name(layers(problem.float_model))[candidate.rounded]
        return round_activations(problem.float_model, layer, problem.calibration.ranges, candidate.bits)
    content = quantize_mixed(problem.float_model, candidate.recipe, candidate.calibration or problem.calibration)
    if problem.metadata is None:
        return content
    return embed(content, replace(problem.metadata, quantization="mixed"))


def try_candidate(candidate: Candidate, problem: Problem, images: int) -> Trial:
    """Make a candidate and score it on the first `images` of a problem; what goes wrong is a result as well."""
    started = time.perf_counter()
    content = b""
    try:
        content = make(candidate, problem)
        counts, exact = counted(content, problem, images), problem.reference_counts[:images]
    except (ModelError, VariantError) as error:
        return failed(images, " ".join(str(error).split()), len(content), time.perf_counter() - started)
    groups = problem.groups[:images]
    intervals = {name: paired_interval(counts.by_image, exact, score, groups=groups) for name, score in METRICS.items()}
    lowest = {name: interval.low for name, interval in intervals.items() if interval is not None}
    rows = tuple(tuple(int(value) for value in row) for row in counts.by_image.sum(axis=0))
    return Trial(images, len(content), counts.agreement, rows, lowest, time.perf_counter() - started)


def failed(images: int, why: str, size_bytes: int = 0, seconds: float = 0.0) -> Trial:
    """The trial of a candidate that has no result."""
    return Trial(images, size_bytes, 0.0, (), {}, seconds, why)


@dataclass(frozen=True)
class Counted:
    """What a file answers."""

    by_image: np.ndarray
    """(N, K, K) confusion counts; rows truth."""
    agreement: float
    """Share of the counted pixels with the class that the float file gives them."""


def counted(content: bytes, problem: Problem, images: int) -> Counted:
    """What a file answers for the first `images`. Raises ModelError where the answers are not finite."""
    inputs, labels, reference = (array[:images] for array in (problem.images, problem.labels, problem.reference))
    answers = file_answers(content, inputs, labels, reference, problem.classes)
    return Counted(answers.by_image, answers.counted_agreement)
