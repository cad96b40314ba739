"""Between Hydra's sweeper and launchers and segsweep's own idea of a sweep."""

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
from segsweep.job import JobOutcome
from segsweep.sweep.composing import Composer
from segsweep.sweep.engine import require_points, run_sweep
from segsweep.sweep.points import Point
from segsweep.sweep.running import Launch
from segsweep.sweep.waves import Job


def run(
    params: Sequence[str], arguments: Sequence[str], config: DictConfig, context: HydraContext, launcher: Launcher
) -> None:
    """Run the sweep of the axes in `params` (from the configuration) and `arguments` (from the command line)."""
    folder = Path(str(config.hydra.sweep.dir))
    combinations = expand(params, arguments, context)
    composer = Composer(config, context)
    points = [Point(tuple(each), composer.compose(each)) for each in combinations]
    require_points(points)
    run_sweep(points, launching(launcher), folder)


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


def launching(launcher: Launcher) -> Launch:
    """Runs jobs through a Hydra launcher."""

    def launch(jobs: Sequence[Job], sweep_id: str, first_number: int) -> Sequence[JobOutcome]:
        overrides = [[*job.overrides, f"sweep.id={sweep_id}"] for job in jobs]
        returns = launcher.launch(overrides, initial_job_idx=first_number)
        return [each.return_value for each in returns]

    return launch


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
