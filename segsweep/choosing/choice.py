"""Which variant to ship: the best that fits, or what is smaller and as good as far as anybody can tell."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from segsweep.choosing.candidates import Candidate, Limit
from segsweep.evaluation.bootstrap import Interval

NEAREST = 3

Difference = Callable[[Candidate, Candidate], Interval | None]
"""The first one's score minus the second one's, with its paired interval; None where it is not known."""


@dataclass(frozen=True)
class Choice:
    """What is to be shipped, and why."""

    winner: Candidate
    top: Candidate
    """The highest score of those that fit: the winner itself, or a larger file within noise of it."""
    above: Interval | None
    """The top's score minus the winner's; None where they are one, or equal."""
    runner_up: Candidate | None
    """What would be chosen if the winner were not there."""
    ahead: Interval | None
    """The winner's score minus the runner-up's, where it is known."""
    fitting: tuple[Candidate, ...]
    compared: bool = True
    """Whether the top's differences to smaller files are known, as far as they were looked at."""
    tied: int = 1
    """How many of those that fit, the top among them, cannot be told apart from the top."""


def choose(fitting: Sequence[Candidate], difference: Difference) -> Choice:
    """Choose from those that fit, one at least.

    The highest score wins; but of those whose difference to it is within noise, the smallest file. A file that another
    one beats in both is never chosen.
    """
    winner, top, above, compared = _winner(fitting, difference)
    others = [each for each in fitting if each is not winner]
    runner_up = _winner(others, difference)[0] if others else None
    ahead = difference(winner, runner_up) if runner_up is not None else None
    tied = sum(each is top or _is_tie(difference(top, each)) for each in fitting)
    return Choice(winner, top, above, runner_up, ahead, tuple(fitting), compared, tied)


def _is_tie(difference: Interval | None) -> bool:
    """Whether nothing tells two files apart: without an interval, nothing does."""
    return difference is None or difference.is_within_noise


def nearest(candidates: Sequence[Candidate], limits: Sequence[Limit]) -> list[Candidate]:
    """The candidates that come nearest to keeping all limits: those that pass them by the smallest share, first."""

    def distance(candidate: Candidate) -> tuple[float, float]:
        return max(limit.excess(candidate) for limit in limits), -candidate.score

    return sorted(candidates, key=distance)[:NEAREST]


def _winner(fitting: Sequence[Candidate], difference: Difference) -> tuple[Candidate, Candidate, Interval | None, bool]:
    """The winner, the highest score, the difference between them where they are two, and whether all that were looked
    at on the way are known."""
    front = _front(fitting)
    top, compared = front[-1], True
    for smaller in front[:-1]:
        above = difference(top, smaller)
        compared = compared and above is not None
        if above is not None and above.is_within_noise:
            return smaller, top, above, compared
    return top, top, None, compared


def _front(fitting: Sequence[Candidate]) -> list[Candidate]:
    """Those that no smaller one equals in score, from the smallest and worst to the largest and best."""
    front: list[Candidate] = []
    for each in sorted(fitting, key=lambda one: (one.size_bytes, -one.score, one.latency_ms or 0.0)):
        if not front or each.score > front[-1].score:
            front.append(each)
    return front
