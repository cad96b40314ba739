"""What is wished of a search, and what it ends with."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from segsweep.candidates.exchange import Assignment, Exchange
from segsweep.candidates.trial import Trial
from segsweep.quantization.layers import Layer
from segsweep.quantization.recipe import Recipe

PLAIN_FILES = ("float32", "float16", "int8")
"""Files with one choice for all layers that each search tries, since others are compared with them."""


@dataclass(frozen=True)
class Goal:
    """What is wished."""

    metric: str
    max_drop: float | None
    """Of the score below the float file's; None: the size is given."""
    max_size: int | None
    """Bytes; None: the drop is given."""
    cautious: bool = True
    """Whether the upper end of the drop's 95 % interval counts, and not the drop itself."""

    def drop(self, trial: Trial, exact: Trial) -> float:
        """The drop that counts."""
        return trial.largest_drop(self.metric, exact) if self.cautious else trial.drop(self.metric, exact)

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
        """Files of which none is smaller without a larger drop; the smallest first."""
        kept: list[Tried] = []
        for each in sorted(self.tried, key=lambda one: (one.trial.size_bytes, -one.trial.score(self.goal.metric))):
            if not kept or each.trial.score(self.goal.metric) > kept[-1].trial.score(self.goal.metric):
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
