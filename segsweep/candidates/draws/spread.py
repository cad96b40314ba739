"""How much the score of an integer file moves with the images that calibrate it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from segsweep.candidates.problem import Problem
from segsweep.candidates.sensitivity import target_choice
from segsweep.candidates.source import Source
from segsweep.candidates.trial import Candidate, Trial, make
from segsweep.candidates.trying import Trying
from segsweep.data.choosing_images import CHOICES
from segsweep.data.dataset import IGNORE
from segsweep.quantization.automatic_ranges import calibration_by
from segsweep.quantization.layers import layers
from segsweep.quantization.observed_activations import ObservedActivations
from segsweep.quantization.range_rules import RangeChoice
from segsweep.quantization.recipe import LayerChoice, Recipe
from segsweep.runs.calibration_images import calibration_images
from segsweep.tflite.interpreter import TFLiteModel

VOTING_IMAGES = 16
"""Images on which draws are compared with each other, pixel by pixel."""
_AT_ONCE = 16


@dataclass(frozen=True)
class Setting:
    """A way to calibrate, but for the seed."""

    choice: str
    """As `quantization.calibration.choice`."""
    samples: int
    """As `quantization.calibration.samples`."""
    range: str
    """As `quantization.calibration.range`."""


@dataclass(frozen=True)
class Drawn:
    """What a setting gave, draw by draw."""

    setting: Setting
    trials: tuple[Trial, ...] = field(repr=False)
    """By seed; those that the time was over for, or that failed, are left out."""
    distinct: int
    """How many of them are of different images."""
    unstable: float | None
    """Share of the pixels that two draws give different classes, on average over all pairs of draws; None for one."""

    def scores(self, metric: str) -> np.ndarray:
        """(R,) of each draw."""
        return np.array([trial.score(metric) for trial in self.trials])

    def deviation(self, metric: str) -> float:
        """Standard deviation over the draws (with N - 1); 0 for a single one."""
        scores = self.scores(metric)
        return float(scores.std(ddof=1)) if len(scores) > 1 else 0.0

    @property
    def changed(self) -> float:
        """Share of the pixels with another class than the float file gives them, the mean over the draws."""
        return 1 - float(np.mean([trial.agreement for trial in self.trials]))


@dataclass(frozen=True)
class Spread:
    """All settings."""

    target: str
    """What the files are, as `int8`."""
    exact: Trial
    """The float file."""
    drawn: tuple[Drawn, ...]
    """In the order asked for."""
    failures: tuple[str, ...]
    """Why draws have no result, each reason once."""
    is_complete: bool
    """Whether there was time for all."""


@dataclass(frozen=True)
class _Draw:
    """Some training images, and the file that they calibrate."""

    setting: Setting
    rows: np.ndarray
    candidate: Candidate


def measure(trying: Trying, source: Source, settings: Sequence[Setting], seeds: int, target: str) -> Spread | None:
    """Calibrate with each setting and so many seeds, and score the files; None where there was no time for one.

    Raises:
        ModelError: a layer cannot be quantized so.
    """
    problem, images = trying.problem, len(trying.problem.images)
    exact = trying.trial(Candidate(), images)
    drawing = _Drawing(source, problem, settings, seeds, target)
    draws: list[_Draw] = []
    found: list[Trial | None] = []
    # All settings have a first draw before any has a second one.
    for seed in range(seeds):
        if not trying.is_over:
            some = drawing.draws(seed)
            draws += some
            found += trying.trials([draw.candidate for draw in some], images)
    if exact is None or not any(found):
        return None
    drawn, unstable = [], True
    for setting in settings:
        done = [
            (draw, trial)
            for draw, trial in zip(draws, found, strict=True)
            if draw.setting == setting and trial is not None and trial.failure is None
        ]
        if done:
            unstable = not trying.is_over
            share = _unstable(problem, [draw for draw, _ in done]) if unstable else None
            distinct = len({draw.rows.tobytes() for draw, _ in done})
            drawn.append(Drawn(setting, tuple(trial for _, trial in done), distinct, share))
    failures = {trial.failure for trial in found if trial is not None and trial.failure is not None}
    complete = unstable and None not in found and len(found) == len(settings) * seeds
    return Spread(target, exact, tuple(drawn), tuple(sorted(failures)), complete)


def whole(problem: Problem, target: str) -> Recipe:
    """All layers in `int8` or `int16x8`. Raises ModelError for one that cannot be."""
    return Recipe({layer.name: LayerChoice(target_choice(layer, target)) for layer in layers(problem.float_model)})


class _Drawing:
    """Each image of any draw is run once; what a draw gives comes of that."""

    def __init__(self, source: Source, problem: Problem, settings: Sequence[Setting], seeds: int, target: str) -> None:
        self._source, self._settings, self._recipe = source, settings, whole(problem, target)
        self._rows = {
            (setting, seed): CHOICES[setting.choice](source.dataset.train, setting.samples, seed)
            for setting in settings
            for seed in range(seeds)
        }
        self._every = np.unique(np.concatenate(list(self._rows.values())))
        self._observed = ObservedActivations(
            problem.float_model, len(self._every), problem.calibration.ranges.keys()
        )  # fmt: skip

    def draws(self, seed: int) -> list[_Draw]:
        """One of each setting."""
        places = {each: np.searchsorted(self._every, self._rows[each, seed]) for each in self._settings}
        missing = self._observed.missing(np.concatenate(list(places.values())))
        self._observed.add(missing, _images(self._source, self._every[missing]))
        return [self._draw(each, self._rows[each, seed], places[each]) for each in self._settings]

    def _draw(self, setting: Setting, rows: np.ndarray, places: np.ndarray) -> _Draw:
        percentile = self._source.config.quantization.calibration.percentile
        calibration = calibration_by(RangeChoice.of(setting.range), self._observed, places, percentile)
        return _Draw(setting, rows, Candidate(self._recipe, calibration=calibration))


def _images(source: Source, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Training images (H, W, C) float32 as calibration takes them, some of them in memory at a time."""
    dataset = replace(source.dataset, normalization=source.normalization)
    size = TFLiteModel(source.float_model).input_shape[:2]
    for start in range(0, len(rows), _AT_ONCE):
        yield from calibration_images(rows[start : start + _AT_ONCE].tolist(), dataset, size)


def _unstable(problem: Problem, draws: Sequence[_Draw]) -> float | None:
    """Share of the pixels that differ between two draws, over all pairs, on the first images."""
    if len(draws) < 2:
        return None
    labels = np.asarray(problem.labels[:VOTING_IMAGES])
    votes = np.zeros((*labels.shape, problem.classes), np.int32)
    known: dict[bytes, np.ndarray] = {}
    for draw in draws:
        key = draw.rows.tobytes()
        if key not in known:
            model = TFLiteModel(make(draw.candidate, problem))
            known[key] = model.predict(problem.images[:VOTING_IMAGES])[:, : labels.shape[1], : labels.shape[2]]
        np.put_along_axis(
            votes, known[key][..., None], np.take_along_axis(votes, known[key][..., None], -1) + 1, axis=-1
        )
    return pairwise_disagreement(votes[labels != IGNORE])


def pairwise_disagreement(votes: np.ndarray) -> float | None:
    """Share of the pairs of voters that disagree, on average; votes (P, K) by class of each pixel; None of no pixel."""
    if not len(votes):
        return None
    voters = int(votes[0].sum())
    agreeing = (votes.astype(np.float64) * (votes - 1)).sum(axis=-1) / (voters * (voters - 1))
    return float(1 - agreeing.mean())
