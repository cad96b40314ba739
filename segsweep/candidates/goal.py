"""What is wished of a search, and what it ends with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from segsweep.candidates.exchange import Assignment, Exchange
from segsweep.candidates.trial import Trial
from segsweep.quantization.layers import Layer
from segsweep.quantization.recipe import Recipe

PLAIN_FILES = ("float32", "float16", "int8")
"""Files with one choice for all layers that each search tries, since others are compared with them."""

DROPS: Mapping[str, Callable[[Trial, Trial, str], float]] = {
    "upper": lambda trial, exact, metric: trial.largest_drop(metric, exact),
    "value": lambda trial, exact, metric: trial.drop(metric, exact),
    "pixels": lambda trial, exact, metric: 1.0 - trial.agreement,
}
"""What of a drop counts: the upper end of its 95 % interval; its value; or the share of the pixels that change their
class, which the accuracy cannot drop by more than, and which says most about images that are unlike these."""


@dataclass(frozen=True)
class Goal:
    """What is wished."""

    metric: str
    max_drop: float | None
    """Of the score below the float file's; None: the size is given."""
    max_size: int | None
    """Bytes; None: the drop is given."""
    by: str = "upper"
    """One of `DROPS`."""

    def drop(self, trial: Trial, exact: Trial) -> float:
        """The drop that counts."""
        return DROPS[self.by](trial, exact, self.metric)

    def is_met(self, trial: Trial, exact: Trial) -> bool:
        """Whether a file is what is wished."""
        if self.max_size is not None:
            return trial.size_bytes <= self.max_size
        assert self.max_drop is not None
        return self.drop(trial, exact) <= self.max_drop + 1e-9

    def rank(self, trial: Trial, exact: Trial) -> tuple[float, ...]:
        """Of files that meet it, the one with the smallest rank is the best."""
        drop = self.drop(trial, exact)
        return (drop, trial.size_bytes) if self.max_size is not None else (trial.size_bytes, drop)

    def miss(self, trial: Trial, exact: Trial) -> tuple[float, ...]:
        """By how much a file misses it, in its own unit; then what else counts."""
        if self.max_size is not None:
            return (max(0, trial.size_bytes - self.max_size), self.drop(trial, exact))
        assert self.max_drop is not None
        return (max(0.0, self.drop(trial, exact) - self.max_drop), trial.size_bytes)


@dataclass(frozen=True)
class Tried:
    """A file that was scored on all validation images."""

    recipe: Recipe
    trial: Trial


@dataclass(frozen=True)
class Found:
    """What a search ends with."""

    goal: Goal
    layers: tuple[Layer, ...]
    exact: Trial
    """The float file."""
    plain: Mapping[str, Trial]
    """Of `PLAIN_FILES`, where the library makes them of this file."""
    tried: tuple[Tried, ...] = field(repr=False)
    """All files of the choices that have a score, the smallest first."""
    winner: Tried | None
    """The best that meets the goal; None where none does."""
    exchange: Exchange | None = field(repr=False)
    """None where the time was over before."""
    failures: tuple[str, ...]
    """Candidates that have no score, and why."""
    is_complete: bool
    """Whether the time was enough for all of it."""

    @property
    def front(self) -> tuple[Tried, ...]:
        """Files of which none is as small with less of a drop, as the goal counts it; the smallest first."""
        kept: list[Tried] = []
        for each in sorted(self.tried, key=lambda one: (one.trial.size_bytes, self.goal.drop(one.trial, self.exact))):
            if not kept or self.goal.drop(each.trial, self.exact) < self.goal.drop(kept[-1].trial, self.exact):
                kept.append(each)
        return tuple(kept)

    @property
    def nearest(self) -> Tried:
        """The file that misses the goal by least."""
        return min(self.tried, key=lambda each: self.goal.miss(each.trial, self.exact))


def summary(assignment: Assignment) -> str:
    """An assignment in a few words: `7 int8, 4 int4`."""
    names = [str(choice) for choice in assignment.values()]
    counted = sorted({name: names.count(name) for name in names}.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{count} {name}" for name, count in counted)
