"""The smallest file that keeps the score, or the best of a size, among all that choices for layers can make."""

from collections.abc import Sequence

from segsweep.candidates.exchange import Assignment, Exchange, measure_offers, permitted
from segsweep.candidates.goal import PLAIN_FILES, Found, Goal, Tried, summary
from segsweep.candidates.trial import Candidate, Trial
from segsweep.candidates.trying import Trying
from segsweep.errors import ModelError
from segsweep.quantization.choices import CHOICES, PLAIN
from segsweep.quantization.layers import Layer, layers
from segsweep.quantization.mixed import possible_choices
from segsweep.quantization.recipe import LayerChoice, Recipe

SCREENING_IMAGES = 64
_NEIGHBOURS = 48
"""Tried in each round of the refinement, at most."""
_SWAPPED = 6
_ROUNDS = 12
_SLACK = 512
"""Bytes by which the sum of the offers may be wrong."""


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
    for algorithm in algorithms:
        if algorithm != PLAIN and not any(algorithm == each.algorithm for some in wanted.values() for each in some):
            kinds = ", ".join(sorted({layer.weighted.kind for layer in found}))
            raise ModelError(f"the library has {algorithm} for none of the layers ({kinds}) and choices; leave it out")
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
        """Go on from the best file to what the offers say is near it, until none is better or the time is over."""
        front = exchange.front()
        for _ in range(_ROUNDS):
            best = self._best()
            if best is None or self._trying.is_over:
                return
            near = self._on_front(front, best, exchange)
            self.score_all(near or self._neighbours(best.recipe.layers, exchange), counts=True)
            if not near and self._best() == best:
                return

    def found(self, exchange: Exchange | None) -> Found:
        """What is known now."""
        assert self.exact is not None
        return Found(
            goal=self._goal,
            layers=self._layers,
            exact=self.exact,
            plain=dict(self._plain),
            tried=tuple(sorted((self._tried[key] for key in self._eligible), key=lambda each: each.trial.size_bytes)),
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

    def _on_front(self, front: Sequence[Assignment], best: Tried, exchange: Exchange) -> list[Assignment]:
        """Of what the offers say cannot be beaten, what may be better than the best file: the nearest, some others."""
        exact = self.exact
        assert exact is not None
        if self._goal.max_size is None:
            # The nearest are the last, a little smaller than the best.
            room = best.trial.size_bytes - exact.size_bytes
            fitting = [each for each in front if exchange.bytes_of(each) < room]
        else:
            room = self._goal.max_size - exact.size_bytes
            fitting = [each for each in front if exchange.bytes_of(each) <= room]
            fitting = fitting[-_NEIGHBOURS:]
        fresh = [each for each in fitting if tuple(each.items()) not in self._tried]
        half = _NEIGHBOURS // 2
        others = fresh[:-half]
        return [*fresh[-half:], *others[:: max(1, len(others) // half)]]

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
            each.algorithm != PLAIN,
        ),
    )
