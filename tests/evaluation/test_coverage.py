"""Intervals hold as often as they promise: the simulation of benchmarks/coverage.py, with fewer repetitions."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "coverage.py"
REPETITIONS = 1000
TOLERANCE = 3.5 * np.sqrt(0.95 * 0.05 / REPETITIONS)
"""So many standard errors of a share: 0.024. A percentile bootstrap of 12 groups holds in 0.90 to 0.91."""


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    spec = importlib.util.spec_from_file_location("coverage_of_intervals", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    # A dataclass looks for its module there.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("groups", [12, 24])
@pytest.mark.parametrize(
    "world", ["accuracy", "mean IoU, a class in a fifth of the groups", "mean IoU, a difference of 6 points"]
)
def test_intervals_of_differences_hold_as_often_as_they_promise(simulation, world, groups):
    found = simulation.coverage(simulation.DIFFERENCES[world], groups, REPETITIONS)
    assert found == {simulation.OURS: pytest.approx(0.95, abs=TOLERANCE)}


@pytest.mark.slow
def test_intervals_of_scores_hold_as_often_as_they_promise(simulation):
    found = simulation.coverage(simulation.SCORES["accuracy of one file"], 12, REPETITIONS, is_paired=False)
    assert found == {simulation.OURS: pytest.approx(0.95, abs=TOLERANCE)}


def test_intervals_that_are_known_to_fail_fail_in_the_simulation(simulation):
    """Patches of a scene depend on each other there: else the simulation could not tell whether scenes are drawn."""
    found = simulation.coverage(simulation.DIFFERENCES["accuracy"], 6, 100, compared=100)
    assert found[simulation.FORMER] < 0.75
    assert found["percentile bootstrap"] < 0.93
    assert found[simulation.OURS] > 0.88
