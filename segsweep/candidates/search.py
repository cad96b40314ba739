"""The smallest file that keeps the score, or the best of a size, among all that choices for layers can make."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from segsweep.candidates.exchange import Assignment, Exchange, measure_offers, permitted
from segsweep.candidates.trial import Candidate, Trial
from segsweep.candidates.trying import Trying
from segsweep.errors import ModelError
from segsweep.quantization.choices import CHOICES
from segsweep.quantization.layers import Layer, layers
from segsweep.quantization.mixed import possible_choices
from segsweep.quantization.recipe import LayerChoice, Recipe

SCREENING_IMAGES = 64
PLAIN_FILES = ("float32", "float16", "int8")
"""Files with one choice for all layers that each search tries, since others are compared with them."""
_NEIGHBOURS = 48
"""Tried in each round of the refinement, at most."""
_SWAPPED = 6
_ROUNDS = 12
_SLACK = 512
"""Bytes by which the sum of the offers may be wrong."""


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
    """All files that have a score, the smallest first."""
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


def search(
    trying: Trying, goal: Goal, choices: Sequence[str], algorithms: Sequence[str], *, screening: int = SCREENING_IMAGES
) -> Found | None:
    """Search; None where the time was over before the float file itself was scored.

    Raises:
        ModelError: no layer can be any of the choices.
    """
    found = layers(trying.problem.float_model)
    wanted = {layer.name: permitted(layer, choices, algorithms) for layer in found}
    if all(len(each) == 1 and each[0].choice == "float32" for each in wanted.values()) and set(choices) != {"float32"}:
        kinds = ", ".join(sorted({layer.weighted.kind for layer in found}))
        raise ModelError(f"no layer of the model ({kinds}) can be {' or '.join(choices)}; give other --choices")
    run = _Search(trying, goal, found)
    run.score_all([_uniform(found, name) for name in PLAIN_FILES])
    if run.exact is None:
        return None
    uniform = [{layer.name: _like(name, wanted[layer.name]) for layer in found} for name in choices]
    run.score_all(uniform, counts=True)
    exchange = measure_offers(trying, found, wanted, min(screening, len(trying.problem.images)))
    if exchange is not None:
        start = exchange.best()
        run.score_all([start, *exchange.path(start)], counts=True)
        run.refine(exchange)
    return run.found(exchange)


class _Search:
    """A search under way."""

    def __init__(self, trying: Trying, goal: Goal, found: Sequence[Layer]) -> None:
        self._trying, self._goal, self._layers = trying, goal, tuple(found)
        self._tried: dict[tuple[tuple[str, LayerChoice], ...], Tried] = {}
        self._eligible: set[tuple[tuple[str, LayerChoice], ...]] = set()
        self._plain: dict[str, Trial] = {}
        self._failures: list[str] = []

    @property
    def exact(self) -> Trial | None:
        """The float file's trial."""
        return self._plain.get("float32")

    def score_all(self, assignments: Sequence[Assignment | None], counts: bool = False) -> None:
        """Score files on all images; those that `counts` may win, the others are for comparison."""
        wanted = [each for each in assignments if each is not None]
        images = len(self._trying.problem.images)
        for assignment, trial in zip(
            wanted, self._trying.trials([Candidate(Recipe(each)) for each in wanted], images), strict=True
        ):
            if trial is None:
                continue
            key = tuple(assignment.items())
            if trial.failure is not None:
                self._failures.append(f"{summary(assignment)}: {trial.failure}")
                continue
            self._tried.setdefault(key, Tried(Recipe(dict(assignment)), trial))
            if counts:
                self._eligible.add(key)
            kinds = {choice.choice for choice in assignment.values()}
            if len(kinds) == 1 and (name := next(iter(kinds))) in PLAIN_FILES:
                self._plain.setdefault(name, trial)

    def refine(self, exchange: Exchange) -> None:
        """Go on from the best file to its neighbours until none is better, or the time is over."""
        for _ in range(_ROUNDS):
            best = self._best()
            if best is None or self._trying.is_over:
                return
            self.score_all(self._neighbours(best.recipe.layers, exchange), counts=True)
            if self._best() == best:
                return

    def found(self, exchange: Exchange | None) -> Found:
        """What is known now."""
        assert self.exact is not None
        return Found(
            goal=self._goal,
            layers=self._layers,
            exact=self.exact,
            plain=dict(self._plain),
            tried=tuple(sorted(self._tried.values(), key=lambda each: each.trial.size_bytes)),
            winner=self._best(),
            exchange=exchange,
            failures=tuple(dict.fromkeys([*self._failures, *(exchange.failures if exchange is not None else ())])),
            is_complete=exchange is not None and not self._trying.is_over,
        )

    def _best(self) -> Tried | None:
        exact = self.exact
        assert exact is not None
        met = [self._tried[key] for key in self._eligible if self._goal.is_met(self._tried[key].trial, exact)]
        return min(
            met, key=lambda each: (*self._goal.rank(each.trial, exact), str(each.recipe.as_dict())), default=None
        )

    def _neighbours(self, current: Assignment, exchange: Exchange) -> list[dict[str, LayerChoice]]:
        """What to try next, without what was tried and what the goal cannot want."""
        size = exchange.bytes_of(current)
        swaps = exchange.swaps(current, _SWAPPED)
        if self._goal.max_size is None:
            near = [
                *exchange.smaller(current),
                *sorted((each for each in swaps if exchange.bytes_of(each) < size), key=exchange.cost_of),
            ]
        else:
            exact = self.exact
            assert exact is not None
            room = self._goal.max_size - exact.size_bytes
            near = [each for each in [*exchange.better(current), *swaps] if exchange.bytes_of(each) <= room + _SLACK]
            near.sort(key=exchange.cost_of)
        fresh = [each for each in near if tuple(each.items()) not in self._tried]
        return fresh[:_NEIGHBOURS]


def _uniform(found: Sequence[Layer], name: str) -> dict[str, LayerChoice] | None:
    """All layers the same; None where one cannot be."""
    choice = LayerChoice(name)
    possible = all(choice in possible_choices(layer) for layer in found)
    return {layer.name: choice for layer in found} if possible else None


def _like(name: str, permitted: Sequence[LayerChoice]) -> LayerChoice:
    """The permitted choice that is `name`, or the nearest: as few bits more as can be, and activations alike."""
    want = CHOICES[name]
    return min(
        permitted,
        key=lambda each: (
            each.choice != name,
            each.what.activations != want.activations,
            abs(each.what.weight_bits - want.weight_bits),
            each.algorithm != "min_max",
        ),
    )


def summary(assignment: Assignment) -> str:
    """An assignment in a few words: `7 int8, 4 int4`."""
    names = [str(choice) for choice in assignment.values()]
    counted = sorted({name: names.count(name) for name in names}.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{count} {name}" for name, count in counted)
