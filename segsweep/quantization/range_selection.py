"""Selection of one file among several that are made of the same float32 file, by validation images.

The highest score wins. Of the files whose scores cannot be told from it by the paired 95 % interval, the one is taken
whose predictions agree most with float32 on all pixels, which needs no labels. Without an interval (too few independent
groups of images) no scores can be told apart, and agreement alone decides; so it does without labels. On ties the first
candidate is taken. The order of the images changes nothing.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from segsweep.errors import ModelError, VariantError
from segsweep.evaluation.bootstrap import DECIMALS, Interval, paired_interval
from segsweep.evaluation.confusion import accuracies, mean_ious
from segsweep.evaluation.file_answers import file_answers

MOST_IMAGES = 256
"""Images that candidates are scored on, at most."""
MOST_VALUES = 2**26
"""Numbers in these images, at most: 256 MiB. Where images are large there are fewer of them, but `LEAST_IMAGES`."""
LEAST_IMAGES = 16

METRICS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {"accuracy": accuracies, "mean_iou": mean_ious}
"""What files are judged by; from confusion matrices (R, K, K) to scores (R,)."""


@dataclass(frozen=True)
class Candidate:
    """A file that can be made."""

    labels: tuple[str, ...]
    """What it is, a word for each column of the table of trials."""
    make: Callable[[], bytes] = field(repr=False)
    """Makes the file; may raise ModelError or VariantError."""
    factors: np.ndarray | None = field(default=None, repr=False)
    """(C,): what the bands of the images are multiplied with before they go in; None: nothing."""


@dataclass(frozen=True)
class SelectionImages:
    """N images that candidates are scored on."""

    images: np.ndarray = field(repr=False)
    """(N, H, W, C) float32, normalized and padded as the float32 file takes them."""
    labels: np.ndarray = field(repr=False)
    """(N, h, w) uint8, without the padding; `IGNORE` where a pixel has no label."""
    reference: np.ndarray = field(repr=False)
    """(N, h, w) uint8 class ids by the float32 file."""
    classes: int
    groups: np.ndarray = field(repr=False)
    """(N,) integers, equal for images that are not independent of each other."""
    metric: str
    """One of `METRICS`."""


@dataclass(frozen=True)
class Trial:
    """A candidate, made and scored."""

    candidate: Candidate = field(repr=False)
    content: bytes = field(default=b"", repr=False)
    """The file; empty where it failed."""
    by_image: np.ndarray | None = field(default=None, repr=False)
    """(N, K, K) confusion counts; None where it failed."""
    score: float = float("nan")
    """NaN without labels, and where it failed."""
    agreement: float = 0.0
    """Share of all pixels with the class that float32 gives them."""
    against_best: Interval | None = None
    """Its score minus the highest one; None where the images are too few for an interval."""
    failure: str | None = None
    """Why there is no result."""


@dataclass(frozen=True)
class Selection:
    """All trials, and the file that is taken."""

    trials: tuple[Trial, ...]
    """In the order of the candidates."""
    place: int
    """Of the trial that is taken."""

    @property
    def taken(self) -> Trial:
        """The trial that is taken."""
        return self.trials[self.place]


def select(candidates: Sequence[Candidate], images: SelectionImages) -> Selection:
    """Make and score each candidate, and select one.

    Raises:
        ModelError, VariantError: no candidate could be made and run; the error of the first one.
    """
    scored: dict[bytes, Trial] = {}
    trials: list[Trial] = []
    first_error: ModelError | VariantError | None = None
    for candidate in candidates:
        try:
            content = candidate.make()
            known = scored.get(content) if candidate.factors is None else None
            trial = known or _scored(candidate, content, images)
            if candidate.factors is None:
                scored.setdefault(content, trial)
            trials.append(replace(trial, candidate=candidate))
        except (ModelError, VariantError) as error:
            first_error = first_error or error
            trials.append(Trial(candidate, failure=" ".join(str(error).split())))
    if first_error is not None and all(trial.failure for trial in trials):
        raise first_error
    return _selected(trials, images)


def _scored(candidate: Candidate, content: bytes, images: SelectionImages) -> Trial:
    inputs = images.images
    if candidate.factors is not None:
        inputs = (inputs * candidate.factors).astype(np.float32)
    answers = file_answers(content, inputs, images.labels, images.reference, images.classes)
    score = float(METRICS[images.metric](answers.by_image.sum(axis=0, keepdims=True))[0])
    return Trial(candidate, content, answers.by_image, score, answers.agreement)


def _selected(trials: Sequence[Trial], images: SelectionImages) -> Selection:
    places = [place for place, trial in enumerate(trials) if trial.failure is None]
    # NaN, without labels, is nobody's highest score: then no interval can be made either.
    best = max(places, key=lambda place: (np.nan_to_num(trials[place].score), trials[place].agreement, -place))
    compared = [
        replace(trial, against_best=_against(trial, trials[best], images)) if trial.failure is None else trial
        for trial in trials
    ]
    intervals = {place: compared[place].against_best for place in places}
    alike = [place for place, interval in intervals.items() if interval is None or interval.is_within_noise]
    taken = max(alike, key=lambda place: (compared[place].agreement, -place))
    return Selection(tuple(compared), taken)


def _against(trial: Trial, best: Trial, images: SelectionImages) -> Interval | None:
    assert trial.by_image is not None
    assert best.by_image is not None
    return paired_interval(trial.by_image, best.by_image, METRICS[images.metric], groups=images.groups)


def trials_csv(selection: Selection, headers: Sequence[str], metric: str) -> bytes:
    """A row for each trial: its labels, and what came out."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*headers, f"validation_{metric}", "against_best", "low", "high", "agreement", "taken", "failure"])
    for place, trial in enumerate(selection.trials):
        interval = trial.against_best
        ends = (interval.difference, interval.low, interval.high) if interval is not None else (None,) * 3
        writer.writerow(
            [
                *trial.candidate.labels,
                *(_number(value) for value in (trial.score, *ends)),
                "" if trial.failure else f"{trial.agreement:.6f}",
                str(place == selection.place).lower(),
                trial.failure or "",
            ]
        )
    return text.getvalue().encode()


def _number(value: float | None) -> str:
    return "" if value is None or np.isnan(value) else f"{value:.{DECIMALS + 2}f}"
