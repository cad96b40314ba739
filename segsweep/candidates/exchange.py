"""What each choice for each layer saves and costs, measured one at a time, and what that says to try together.

The costs are added up as if layers did not matter to each other: good enough to decide what is tried next, and never
taken for a result.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from segsweep.candidates.trial import Candidate, Trial
from segsweep.candidates.trying import Trying
from segsweep.quantization.choices import CHOICES, PLAIN
from segsweep.quantization.layers import Layer
from segsweep.quantization.mixed import possible_choices
from segsweep.quantization.recipe import LayerChoice, Recipe

Assignment = Mapping[str, LayerChoice]
"""From layer to choice, all layers named."""

_EXACT = LayerChoice("float32")
_LEAST_COST = 1e-6
"""Of a change; nothing is free."""


@dataclass(frozen=True)
class Offer:
    """A choice for a layer, measured with all other layers in float32."""

    choice: LayerChoice
    bytes: int
    """By how much the file is larger than with float32; mostly negative."""
    cost: float
    """Share of the pixels that change their class."""


@dataclass(frozen=True)
class Exchange:
    """All offers."""

    offers: Mapping[str, tuple[Offer, ...]]
    """By layer; none is missing what it was asked for, but what failed."""
    failures: tuple[str, ...] = field(default=())
    """What failed, and why."""

    def offer(self, layer: str, choice: LayerChoice) -> Offer:
        """The one of a choice; a costly one where it failed."""
        known = (each for each in self.offers[layer] if each.choice == choice)
        return next(known, Offer(choice, 0, 1.0))

    def best(self) -> dict[str, LayerChoice]:
        """The choices that cost least, the smaller first of those that cost the same."""
        return {
            name: min(offers, key=lambda offer: (offer.cost, offer.bytes)).choice
            for name, offers in self.offers.items()
        }

    def path(self, start: Assignment) -> Iterator[dict[str, LayerChoice]]:
        """Ever smaller assignments: in each step the change that saves most bytes for each pixel that it costs."""
        current = dict(start)
        while True:
            steps = [
                (self._worth(name, current[name], offer), name, offer.choice)
                for name, offers in self.offers.items()
                for offer in offers
                if offer.bytes < self.offer(name, current[name]).bytes
            ]
            if not steps:
                return
            _, name, choice = max(steps)
            current[name] = choice
            yield dict(current)

    def front(self, most: int = 2000) -> list[dict[str, LayerChoice]]:
        """The assignments that no other one beats in bytes and in cost, the smallest first; some where there are many.

        The multiple-choice knapsack problem, layer by layer: what is beaten with the layers so far stays beaten.
        """
        states: list[tuple[int, float, tuple[LayerChoice, ...]]] = [(0, 0.0, ())]
        for offers in self.offers.values():
            states = sorted(
                (
                    (size + offer.bytes, cost + offer.cost, (*chosen, offer.choice))
                    for size, cost, chosen in states
                    for offer in offers
                ),
                key=lambda state: state[:2],
            )
            kept: list[tuple[int, float, tuple[LayerChoice, ...]]] = []
            for state in states:
                if not kept or state[1] < kept[-1][1]:
                    kept.append(state)
            states = kept if len(kept) <= most else kept[:: -(-len(kept) // most)]
        return [dict(zip(self.offers, chosen, strict=True)) for _, _, chosen in states]

    def smaller(self, current: Assignment) -> list[dict[str, LayerChoice]]:
        """Assignments with one layer made smaller, the most worthy first."""
        steps = [
            (self._worth(name, current[name], offer), name, offer.choice)
            for name, offers in self.offers.items()
            for offer in offers
            if offer.bytes < self.offer(name, current[name]).bytes
        ]
        return [{**current, name: choice} for _, name, choice in sorted(steps, reverse=True)]

    def better(self, current: Assignment) -> list[dict[str, LayerChoice]]:
        """Assignments with one layer made to cost less, those first that do so for the fewest bytes."""
        steps = [
            (self._worth(name, offer.choice, self.offer(name, current[name])), name, offer.choice)
            for name, offers in self.offers.items()
            for offer in offers
            if offer.cost < self.offer(name, current[name]).cost
        ]
        return [{**current, name: choice} for _, name, choice in sorted(steps)]

    def swaps(self, current: Assignment, each: int) -> list[dict[str, LayerChoice]]:
        """Assignments with one layer made to cost less and another smaller, of the `each` most promising of either."""
        ups, downs = self.better(current)[:each], self.smaller(current)[:each]
        return [
            {**up, **changed}
            for up, down in product(ups, downs)
            if (changed := {name: choice for name, choice in down.items() if choice != current[name]}).keys()
            != {name for name, choice in up.items() if choice != current[name]}
        ]

    def bytes_of(self, assignment: Assignment) -> int:
        """What the offers add up to."""
        return sum(self.offer(name, choice).bytes for name, choice in assignment.items())

    def cost_of(self, assignment: Assignment) -> float:
        """What the offers add up to."""
        return sum(self.offer(name, choice).cost for name, choice in assignment.items())

    def _worth(self, name: str, old: LayerChoice, new: Offer) -> float:
        before = self.offer(name, old)
        return (before.bytes - new.bytes) / max(new.cost - before.cost, _LEAST_COST)


def permitted(layer: Layer, choices: Sequence[str], algorithms: Sequence[str]) -> list[LayerChoice]:
    """What a layer may become: of the choices those the library can do to it; the algorithms where weights are cut."""
    found = [
        each
        for each in possible_choices(layer, algorithms)
        if each.choice in choices and (each.algorithm == PLAIN or CHOICES[each.choice].weight_bits < 32)
    ]
    return found or nearest(layer, choices)


def nearest(layer: Layer, choices: Sequence[str]) -> list[LayerChoice]:
    """For a layer that can be none of the choices: the same activations with the next larger weights; else float32."""
    possible = [each for each in possible_choices(layer, (PLAIN,)) if each.choice != "float32"]
    wanted = [CHOICES[name] for name in choices]
    fitting = [
        each
        for each in possible
        if any(
            each.what.activations == want.activations
            and each.what.dequantized == want.dequantized
            and each.what.weight_bits > want.weight_bits
            for want in wanted
        )
    ]
    return fitting or [_EXACT]


def measure_offers(
    trying: Trying, found: Sequence[Layer], wanted: Mapping[str, Sequence[LayerChoice]], images: int
) -> Exchange | None:
    """Each choice of each layer alone, on the first `images`; None where there was no time for all of them."""
    exact = trying.trial(Candidate(), images)
    pairs = [(layer.name, choice) for layer in found for choice in wanted[layer.name]]
    trials = trying.trials([Candidate(Recipe({name: choice})) for name, choice in pairs], images)
    if exact is None or any(trial is None for trial in trials):
        return None
    offers: dict[str, list[Offer]] = {layer.name: [] for layer in found}
    failures = []
    for (name, choice), trial in zip(pairs, trials, strict=True):
        assert trial is not None
        if trial.failure is not None:
            failures.append(f"{name} as {choice}: {trial.failure}")
        else:
            offers[name].append(_offer(choice, trial, exact))
    return Exchange({name: tuple(each) or (Offer(_EXACT, 0, 0.0),) for name, each in offers.items()}, tuple(failures))


def _offer(choice: LayerChoice, trial: Trial, exact: Trial) -> Offer:
    return Offer(choice, trial.size_bytes - exact.size_bytes, 1.0 - trial.agreement)
