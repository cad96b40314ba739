"""Objectives and bounds of a search."""

import pytest

from segsweep.errors import ConfigError
from segsweep.sweep.objectives import constraint, objectives
from segsweep.tracking import names


class Run:
    metrics = {names.SIZE_BYTES: 250_000.0, names.VALIDATION_ACCURACY: 0.8, names.ACCURACY: 0.6}


def test_each_objective_knows_its_direction():
    assert objectives(["accuracy", "size_bytes"]) == {"accuracy": "maximize", "size_bytes": "minimize"}


@pytest.mark.parametrize("given", [[], ["speed"]])
def test_unknown_objectives_are_refused(given):
    with pytest.raises(ConfigError, match="objectives"):
        objectives(given)


@pytest.mark.parametrize(
    ("text", "violation"),
    [
        ("size_bytes<=300000", -50_000),
        ("size_bytes <= 2e5", 50_000),
        ("accuracy>=0.9", 0.1),
        ("accuracy>=.5", -0.3),
        ("test_accuracy>=.5", -0.1),
    ],
)
def test_a_bound_is_broken_by_what_lies_beyond(text, violation):
    assert constraint(text).violation(Run()) == pytest.approx(violation)


def test_without_the_metric_nothing_is_known():
    assert constraint("latency_p50_ms<=5").violation(Run()) is None


@pytest.mark.parametrize(
    "text", ["size_bytes<300000", "size<=3", "size_bytes<=many", "size_bytes<=1e", "os.system('x')"]
)
def test_bounds_that_cannot_be_read_are_refused(text):
    with pytest.raises(ConfigError, match="constraints"):
        constraint(text)
