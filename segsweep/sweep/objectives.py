"""What a search is after: scores of variants with a direction, and bounds that others must keep."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from segsweep.errors import ConfigError
from segsweep.report.comparison_rows import METRIC_COLUMNS
from segsweep.report.pareto import DIRECTIONS, OBJECTIVES
from segsweep.tracking.records import RunRecord

METRICS: Mapping[str, tuple[str, str]] = {
    name: (METRIC_COLUMNS[column], DIRECTIONS[column]) for name, column in OBJECTIVES.items()
}
"""From the name of an objective to its metric and the direction that is better. `accuracy`, `mean_iou` and `mean_dice`
are of the validation split; `test_accuracy`, ... are of the test split."""

_BOUND = re.compile(r"\s*(\w+)\s*(<=|>=)\s*([-+.\deE]+)\s*")
_OPERATORS: Mapping[str, Callable[[float, float], float]] = {
    "<=": operator.sub,
    ">=": lambda value, bound: bound - value,
}


@dataclass(frozen=True)
class Constraint:
    """A bound on a metric, such as `size_bytes<=300000`."""

    text: str
    metric: str
    comparison: str
    bound: float

    def violation(self, run: RunRecord) -> float | None:
        """By how much `run` breaks the bound, 0 or less where it keeps it; None where it has no such metric."""
        value = run.metrics.get(METRICS[self.metric][0])
        return None if value is None else _OPERATORS[self.comparison](value, self.bound)


def objectives(names_: Sequence[str]) -> dict[str, str]:
    """The direction, `maximize` or `minimize`, of each objective.

    Raises:
        ConfigError: there is none, or one is unknown.
    """
    if not names_:
        raise ConfigError("hydra.sweeper.objectives is empty; give at least one, such as [accuracy]")
    for name in names_:
        if name not in METRICS:
            raise ConfigError(f"hydra.sweeper.objectives: {name} is not a choice; there are {', '.join(METRICS)}")
    return {name: METRICS[name][1] for name in names_}


def constraint(text: str) -> Constraint:
    """A bound from its text.

    Raises:
        ConfigError: it cannot be read.
    """
    found = _BOUND.fullmatch(text)
    if found is None or found[1] not in METRICS:
        raise ConfigError(
            f"hydra.sweeper.constraints: {text} cannot be read; give METRIC<=NUMBER or METRIC>=NUMBER with one of "
            f"{', '.join(METRICS)}"
        )
    try:
        return Constraint(text, found[1], found[2], float(found[3]))
    except ValueError:
        raise ConfigError(f"hydra.sweeper.constraints: {text}: {found[3]} is no number") from None
