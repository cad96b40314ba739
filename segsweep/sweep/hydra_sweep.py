"""Between Hydra's sweeper and launchers and segsweep's own idea of a sweep."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig

from segsweep.config.job_config import to_job_config
from segsweep.errors import ConfigError
from segsweep.processes import default_workers
from segsweep.sweep.composing import Composer
from segsweep.sweep.engine import run_sweep
from segsweep.sweep.launching import launch_on_pool, launch_with_hydra
from segsweep.sweep.plan import store_if_there
from segsweep.sweep.points import Point
from segsweep.sweep.search import Grid, Search
from segsweep.sweep.teachers import with_teachers

_ON_THIS_MACHINE = ("local", "basic", "joblib")
"""Launchers whose jobs run where the sweep does; of others nothing is known."""


def run(
    params: Sequence[str], arguments: Sequence[str], config: DictConfig, context: HydraContext, launcher: Launcher
) -> None:
    """Run the sweep of the axes in `params` (from the configuration) and `arguments` (from the command line)."""
    compose = _composing(config, context)
    points = with_teachers([compose(each) for each in expand(params, arguments, context)])
    if not points:
        raise ConfigError("the sweep has no jobs; give at least one value for each axis")
    _run(Grid(points), points, config, launcher)


def run_search(
    options: Mapping[str, Any],
    params: Sequence[str],
    arguments: Sequence[str],
    config: DictConfig,
    context: HydraContext,
    launcher: Launcher,
) -> None:
    """Search the space of the axes, as `options` (of the sweeper's preset) say.

    Raises:
        ConfigError: a setting of the search is wrong, or Optuna is not installed.
    """
    try:
        from segsweep.sweep.optuna_search import OptunaSearch
        from segsweep.sweep.search_space import search_settings
    except ImportError as error:
        raise ConfigError(
            "hydra/sweeper=segsweep_optuna: Optuna is not installed; pip install 'segsweep[optuna]'"
        ) from error
    axes = list(_axes(params, arguments, context).values())
    composing = _composing(config, context)
    first = to_job_config(config)
    # Which widths a search will try is not known: what is wrong with the teacher of one point is so with all.
    with_teachers([Point((), first)])
    settings = search_settings(options, axes, first.sweep.workers or default_workers(first.training.threads))
    if first.sweep.max_trials is None:
        raise ConfigError("sweep.max_trials is not set; a search needs to know how many points it may try")
    search = OptunaSearch(settings, lambda words: with_teachers([composing(words)])[0], first.sweep.max_trials)
    search.remember(store_if_there(first.tracking.uri, first.tracking.experiment))
    _run(search, [Point((), first)], config, launcher)


def _composing(config: DictConfig, context: HydraContext) -> Callable[[Sequence[str]], Point]:
    composer = Composer(config, context)
    return lambda overrides: Point(tuple(overrides), composer.compose(overrides))


def _run(search: Search, points: Sequence[Point], config: DictConfig, launcher: Launcher) -> None:
    folder = Path(str(config.hydra.sweep.dir))
    here = config.hydra.runtime.choices.get("hydra/launcher") in _ON_THIS_MACHINE
    pool_for = getattr(launcher, "pool_for", None)
    if pool_for is None:
        run_sweep(search, launch_with_hydra(launcher), folder, here=here)
        return
    with launch_on_pool(lambda: pool_for(points), folder) as launch:
        run_sweep(search, launch, folder, here=here)


def expand(params: Sequence[str], arguments: Sequence[str], context: HydraContext) -> list[list[str]]:
    """All combinations of the axes, the last axis changing fastest.

    What the command line says about a key replaces what the configuration says about it, with or without `+`.

    Raises:
        ConfigError: an axis cannot be expanded.
    """
    axes = _axes(params, arguments, context)
    return [list(each) for each in itertools.product(*map(_values, axes.values()))]


def _axes(params: Sequence[str], arguments: Sequence[str], context: HydraContext) -> dict[str, Override]:
    parser = OverridesParser.create(config_loader=context.config_loader)
    axes: dict[str, Override] = {}
    for override in [*parser.parse_overrides(list(params)), *parser.parse_overrides(list(arguments))]:
        key = override.get_key_element().lstrip("+")
        if key.startswith("~"):
            raise ConfigError(f"{override.input_line}: a setting cannot be deleted; give it another value")
        axes[key] = override
    return axes


def _values(override: Override) -> list[str]:
    key = override.get_key_element().lstrip("+")
    if "." in key:
        key = f"++{key}"
    if not override.is_sweep_override():
        return [f"{key}={override.get_value_element_as_str()}"]
    if not override.is_discrete_sweep():
        raise ConfigError(f"{override.input_line}: a sweep over intervals needs a search; list the values instead")
    try:
        return [f"{key}={value}" for value in override.sweep_string_iterator()]
    except HydraException as error:
        raise ConfigError(f"{override.input_line}: {error}") from error
