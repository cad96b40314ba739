"""The search, on made-up costs: what it tries in which order, and that it ends where trying everything would."""

from dataclasses import dataclass, field
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from segsweep.candidates import search as subject
from segsweep.candidates.exchange import Exchange, Offer, permitted
from segsweep.candidates.goal import Goal
from segsweep.candidates.search import search
from segsweep.candidates.trial import Trial
from segsweep.errors import ModelError
from segsweep.quantization.layers import Layer, Operator
from segsweep.quantization.recipe import LayerChoice

INT8, INT4, EXACT = LayerChoice("int8"), LayerChoice("int4"), LayerChoice("float32")


def layer(name: str, kind: str = "CONV_2D", weights: int = 1000) -> Layer:
    return Layer(name, name, Operator(kind, f"{name};", (name,)), (), weights, ("x",), False, False)


def offers(*values: tuple[LayerChoice, int, float]) -> tuple[Offer, ...]:
    return tuple(Offer(*value) for value in values)


EXCHANGE = Exchange(
    {
        # Bytes saved for each pixel lost: a to int8 3000 / .01, to int4 3500 / .05; b 300 / .1 and 350 / .1.
        "a": offers((EXACT, 0, 0.0), (INT8, -3000, 0.01), (INT4, -3500, 0.05)),
        "b": offers((EXACT, 0, 0.0), (INT8, -300, 0.1), (INT4, -350, 0.1)),
    }
)


def test_changes_come_in_the_order_of_bytes_saved_for_each_pixel_lost():
    start = EXCHANGE.best()
    assert start == {"a": EXACT, "b": EXACT}
    assert list(EXCHANGE.path(start)) == [
        {"a": INT8, "b": EXACT},
        {"a": INT4, "b": EXACT},  # 500 / .04 = 12,500 against 350 / .1 = 3,500
        {"a": INT4, "b": INT4},
    ]


def test_neighbours_change_one_layer_or_two():
    current = {"a": INT8, "b": INT4}
    assert EXCHANGE.smaller(current) == [{"a": INT4, "b": INT4}]
    assert EXCHANGE.better(current) == [{"a": INT8, "b": EXACT}, {"a": EXACT, "b": INT4}], (
        "350 / .1 is less than 3000 / .01"
    )
    assert EXCHANGE.swaps(current, 5) == [{"a": INT4, "b": EXACT}]
    assert EXCHANGE.bytes_of(current) == -3350
    assert EXCHANGE.cost_of(current) == pytest.approx(0.11)


def test_what_the_offers_cannot_beat_is_what_trying_all_of_them_says():
    rng = np.random.default_rng(0)
    values = {
        name: offers(*((choice, -int(rng.integers(1, 4000)), float(rng.random())) for choice in (EXACT, INT8, INT4)))
        for name in "abcdef"
    }
    exchange = Exchange(values)
    every = [dict(zip(values, each, strict=True)) for each in product((EXACT, INT8, INT4), repeat=6)]
    sums = [(exchange.bytes_of(each), exchange.cost_of(each)) for each in every]
    unbeaten = {
        (size, round(cost, 9))
        for size, cost in sums
        if not any(s <= size and c <= cost and (s, c) != (size, cost) for s, c in sums)
    }
    found = [(exchange.bytes_of(each), round(exchange.cost_of(each), 9)) for each in exchange.front()]
    assert found == sorted(unbeaten)
    assert len(exchange.front(most=5)) <= 5


def test_a_layer_that_can_be_none_of_the_choices_gets_the_nearest_with_more_bits():
    assert permitted(layer("a"), ("int4", "int8"), ("min_max",)) == [INT8, INT4]
    assert permitted(layer("a", "DEPTHWISE_CONV_2D"), ("int4",), ("min_max",)) == [INT8]
    assert permitted(layer("a", "CONV_2D_TRANSPOSE"), ("int16x4",), ("min_max",)) == [LayerChoice("int16x8")]
    assert permitted(layer("a", ""), ("int4",), ("min_max",)) == [EXACT]
    assert permitted(layer("a"), ("int4",), ("min_max", "octav")) == [INT4, LayerChoice("int4", "octav")]


@dataclass
class Pretended:
    """Costs and sizes that follow from the recipe; what layers cost together is more than what each costs alone."""

    weights: dict[str, int]
    harm: dict[str, float]
    """Points that a layer loses at int4."""
    seen: list = field(default_factory=list)
    is_over: bool = False

    @property
    def problem(self):
        return SimpleNamespace(images=np.zeros((10, 1)), float_model=b"")

    def trial(self, candidate, images):
        return self.trials([candidate], images)[0]

    def trials(self, candidates, images):
        return [self._trial({name: str(each.recipe.of(name)) for name in self.weights}, images) for each in candidates]

    def _trial(self, choices, images):
        self.seen.append(choices)
        bits = {"float32": 32, "float16": 16, "int8": 8, "int4": 4}
        share = {"float32": 0.0, "float16": 0.0001, "int8": 0.1, "int4": 1.0}
        size = 500 + sum(count * bits[choices[name]] // 8 for name, count in self.weights.items())
        lost = sum(self.harm[name] * share[choice] for name, choice in choices.items())
        wrong = round(100_000 * (0.1 + lost + lost**2))
        counts = ((50_000 - wrong // 2, wrong // 2), (wrong - wrong // 2, 50_000 - wrong + wrong // 2))
        return Trial(images, size, 1 - lost, counts, {"accuracy": -1.2 * (lost + lost**2)}, 0.0)


@pytest.fixture
def pretended(monkeypatch):
    weights = {"a": 3000, "b": 1700, "c": 900, "d": 5000, "e": 400}
    found = tuple(layer(name, weights=count) for name, count in weights.items())
    monkeypatch.setattr(subject, "layers", lambda model: found)
    return Pretended(weights, {"a": 0.02, "b": 0.004, "c": 0.03, "d": 0.012, "e": 0.001})


CHOICES = ("float32", "float16", "int8", "int4")


def everything(pretended: Pretended) -> list[Trial]:
    names = list(pretended.weights)
    return [pretended._trial(dict(zip(names, each, strict=True)), 10) for each in product(CHOICES, repeat=len(names))]


@pytest.mark.parametrize("max_drop", [0.001, 0.01, 0.02, 0.04, 0.06])
@pytest.mark.parametrize("by", ["upper", "value", "pixels"])
def test_the_smallest_file_that_keeps_the_drop_is_found(pretended, max_drop, by):
    goal = Goal("accuracy", max_drop, None, by)
    exact = pretended._trial(dict.fromkeys(pretended.weights, "float32"), 10)
    smallest = min(each.size_bytes for each in everything(pretended) if goal.is_met(each, exact))
    pretended.seen.clear()
    found = search(pretended, goal, CHOICES, ("min_max",))
    assert goal.is_met(found.winner.trial, exact)
    assert found.winner.trial.size_bytes <= smallest * 1.02
    assert len({tuple(each.items()) for each in pretended.seen}) < 250 < len(CHOICES) ** 5


@pytest.mark.parametrize("max_size", [6_500, 8_000, 11_000, 20_000])
def test_the_best_file_of_a_size_is_found(pretended, max_size):
    goal = Goal("accuracy", None, max_size)
    met = [each for each in everything(pretended) if each.size_bytes <= max_size]
    best = max(each.score("accuracy") for each in met)
    found = search(pretended, goal, CHOICES, ("min_max",))
    assert found.winner.trial.size_bytes <= max_size
    assert found.winner.trial.score("accuracy") >= best - 0.0005


def test_the_front_has_no_file_that_another_beats(pretended):
    found = search(pretended, Goal("accuracy", 0.01, None), CHOICES, ("min_max",))
    front = found.front
    assert [each.trial.size_bytes for each in front] == sorted(each.trial.size_bytes for each in front)
    assert found.winner in front
    for each in front:
        better = [
            other
            for other in found.tried
            if other.trial.size_bytes <= each.trial.size_bytes
            and found.goal.drop(other.trial, found.exact) < found.goal.drop(each.trial, found.exact)
        ]
        assert not better


def test_a_goal_that_cannot_be_reached_has_a_nearest_file(pretended):
    found = search(pretended, Goal("accuracy", 0.0001, None), ("int8", "int4"), ("min_max",))
    assert found.winner is None
    assert {str(each) for each in found.nearest.recipe.layers.values()} == {"int8"}
    found = search(pretended, Goal("accuracy", None, 3000), ("int8", "int4"), ("min_max",))
    assert found.winner is None
    assert {str(each) for each in found.nearest.recipe.layers.values()} == {"int4"}


def test_choices_that_no_layer_can_be_are_refused(pretended, monkeypatch):
    monkeypatch.setattr(subject, "layers", lambda model: (layer("a", ""),))
    with pytest.raises(ModelError, match="no layer of the model"):
        search(pretended, Goal("accuracy", 0.1, None), ("int4",), ("min_max",))
