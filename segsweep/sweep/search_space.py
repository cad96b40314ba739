"""From the words of a search, in Hydra's grammar, to what Optuna takes."""

from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep, Transformer
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from segsweep.errors import ConfigError
from segsweep.sweep.objectives import constraint, objectives
from segsweep.sweep.optuna_search import PRUNERS, SAMPLERS, SearchSettings


def search_settings(options: Mapping[str, Any], axes: Sequence[Override], batch: int) -> SearchSettings:
    """The settings of a search.

    Args:
        options: of the sweeper's preset: objectives, constraints, sampler, pruner, seed.
        axes: what varies, and what all points share.
        batch: points tried at a time.

    Raises:
        ConfigError: an option or an axis is wrong.
    """
    for name, known in (("sampler", SAMPLERS), ("pruner", PRUNERS)):
        if options[name] not in known:
            raise ConfigError(f"hydra.sweeper.{name}={options[name]} is not a choice; there are {', '.join(known)}")
    varying = [each for each in axes if each.is_sweep_override()]
    if not varying:
        raise ConfigError(
            "the search has nothing to vary; give axes, such as model.width=4,8,16 or "
            "'training.learning_rate=tag(log,interval(0.0003,0.03))'"
        )
    return SearchSettings(
        space={_key(each): _distribution(each) for each in varying},
        fixed=tuple(_fixed(each) for each in axes if not each.is_sweep_override()),
        objectives=objectives(options["objectives"]),
        constraints=tuple(constraint(text) for text in options["constraints"]),
        sampler=options["sampler"],
        pruner=options["pruner"],
        seed=options["seed"],
        batch=batch,
    )


def _key(override: Override) -> str:
    return override.get_key_element().lstrip("+")


def _fixed(override: Override) -> str:
    key = _key(override)
    return f"{'++' if '.' in key else ''}{key}={override.get_value_element_as_str()}"


def _distribution(override: Override) -> BaseDistribution:
    value = override.value()
    if isinstance(value, ChoiceSweep):
        return CategoricalDistribution([str(each) for each in override.sweep_iterator(transformer=Transformer.encode)])
    if isinstance(value, RangeSweep) and value.start is not None and value.stop is not None:
        if isinstance(value.start, int) and isinstance(value.stop, int) and isinstance(value.step, int):
            # As in Python, the end is not part of a range.
            return IntDistribution(value.start, value.start + (value.stop - 1 - value.start) // value.step * value.step,
                                   step=value.step)  # fmt: skip
        return FloatDistribution(value.start, value.stop, step=value.step)
    if isinstance(value, IntervalSweep) and value.start is not None and value.end is not None:
        logarithmic = "log" in value.tags
        try:
            if isinstance(value.start, int) and isinstance(value.end, int):
                return IntDistribution(value.start, value.end, log=logarithmic)
            return FloatDistribution(value.start, value.end, log=logarithmic)
        except ValueError as error:
            raise ConfigError(f"{override.input_line}: {error}") from error
    raise ConfigError(f"{override.input_line}: give a list of values, range(...) or interval(...)")
