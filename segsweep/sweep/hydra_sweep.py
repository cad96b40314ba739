"""Between Hydra's sweeper and launchers and segsweep's own idea of a sweep."""

import contextlib
import itertools
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig

from segsweep.errors import ConfigError
from segsweep.sweep.composing import Composer
from segsweep.sweep.engine import require_points, run_sweep
from segsweep.sweep.launching import launch_on_pool, launch_with_hydra
from segsweep.sweep.points import Point


def run(
    params: Sequence[str], arguments: Sequence[str], config: DictConfig, context: HydraContext, launcher: Launcher
) -> None:
    """Run the sweep of the axes in `params` (from the configuration) and `arguments` (from the command line)."""
    folder = Path(str(config.hydra.sweep.dir))
    combinations = expand(params, arguments, context)
    composer = Composer(config, context)
    points = [Point(tuple(each), composer.compose(each)) for each in combinations]
    require_points(points)
    pool_for = getattr(launcher, "pool_for", None)
    if pool_for is None:
        run_sweep(points, launch_with_hydra(launcher), folder)
        return
    with contextlib.closing(pool_for(points)) as pool:
        run_sweep(points, launch_on_pool(pool, folder), folder)


def expand(params: Sequence[str], arguments: Sequence[str], context: HydraContext) -> list[list[str]]:
    """All combinations of the axes, the last axis changing fastest.

    What the command line says about a key replaces what the configuration says about it, with or without `+`.

    Raises:
        ConfigError: an axis cannot be expanded.
    """
    parser = OverridesParser.create(config_loader=context.config_loader)
    axes: dict[str, list[str]] = {}
    for override in [*parser.parse_overrides(list(params)), *parser.parse_overrides(list(arguments))]:
        key = override.get_key_element().lstrip("+")
        if key.startswith("~"):
            raise ConfigError(f"{override.input_line}: a setting cannot be deleted; give it another value")
        axes[key] = _values(override)
    return [list(each) for each in itertools.product(*axes.values())]


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
