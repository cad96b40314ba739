"""What a sweep tries: a list of points, or points chosen by what earlier ones gave."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from segsweep.sweep.points import Point
from segsweep.sweep.waves import Job
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store

REPEATS = 2
"""New seeds for each of the best points that `sweep.repeat_best` asks for."""


@dataclass(frozen=True)
class Result:
    """What came of one point."""

    point: Point
    job: Job | None
    """The job that did it, perhaps for other points too; None where it cannot work."""
    run: RunRecord | None
    """The finished run of the variant that was asked for."""
    reason: str | None
    """Why there is none."""
    pruned: bool = False
    """Whether it was given up as hopeless."""
    started: bool = True
    """False where the sweep's time was over before its turn came."""


class Search(Protocol):
    """Chooses the points of a sweep, batch by batch."""

    @property
    def total(self) -> int:
        """How many points there will be at most, as far as it is known."""

    @property
    def needs_latency(self) -> bool:
        """Whether the next choice depends on the latency of what is done."""

    @property
    def prunes(self) -> bool:
        """Whether running trainings are to be reported."""

    def report(self, training_key: str, epoch: int, score: float) -> bool:
        """A running training has reached `score` (mean IoU on validation data) in `epoch`; is it hopeless?"""

    def begin(self, store: Store, sweep_id: str) -> None:
        """The sweep has begun."""

    def ask(self) -> Sequence[Point]:
        """The next points; none where the sweep is over."""

    def tell(self, results: Sequence[Result]) -> None:
        """What came of all points asked for last, in their order."""

    def summary(self) -> dict[str, bytes]:
        """Artifacts of the sweep's run that say what was found."""


class Grid:
    """All points at once, and then, if that is asked for, the best of them with new seeds."""

    needs_latency = False
    prunes = False

    def __init__(self, points: Sequence[Point]):
        self._points = points
        self._asked = 0
        self._best: list[Point] = []

    @property
    def total(self) -> int:
        repeated = self._points[0].config.sweep.repeat_best or 0
        return len(self._points) + REPEATS * min(repeated, len(self._points))

    def begin(self, store: Store, sweep_id: str) -> None:
        """Nothing to do."""

    def report(self, training_key: str, epoch: int, score: float) -> bool:
        """A grid tries all of its points."""
        return False

    def ask(self) -> Sequence[Point]:
        """First all points, then the best ones again."""
        self._asked += 1
        if self._asked == 1:
            return self._points
        return self._best if self._asked == 2 else []

    def tell(self, results: Sequence[Result]) -> None:
        """Choose what is repeated: the points of the best validation scores, one for each set of other settings."""
        wanted = self._points[0].config.sweep.repeat_best or 0
        if self._asked > 1 or not wanted:
            return
        done = [(result.point, result.run) for result in results if result.run is not None]
        ranked = sorted(done, key=lambda each: each[1].metrics.get(names.VALIDATION_MEAN_IOU, 0.0), reverse=True)
        seeds = [point.config.seed for point in self._points]
        # Points that differ in their seed alone are one set of settings.
        best: dict[str, Point] = {}
        for point, _ in ranked:
            best.setdefault(repr(replace(point.config, seed=0)), point)
        for point in list(best.values())[:wanted]:
            for seed in range(max(seeds) + 1, max(seeds) + 1 + REPEATS):
                config = replace(point.config, seed=seed)
                overrides = (*(each for each in point.overrides if not each.startswith("seed=")), f"seed={seed}")
                self._best.append(Point(overrides, config))

    def summary(self) -> dict[str, bytes]:
        """Nothing: the comparison says it all."""
        return {}
