"""Registers segsweep's schemas and its staged sweeper with Hydra."""

# No `from __future__ import annotations` here: with a dataclass beside it, Hydra's discovery of plugins crashes.
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


@dataclass
class SegsweepSweeperConf:
    """Axes in `params`, as for Hydra's own sweeper."""

    _target_: str = "hydra_plugins.segsweep_sweeper.segsweep_sweeper.SegsweepSweeper"
    params: dict[str, str] | None = field(default_factory=dict)


class SegsweepSweeper(Sweeper):
    """Expands the axes as Hydra's sweeper does, and runs the points in waves."""

    def __init__(self, params: dict[str, str] | None) -> None:
        self.params = params or {}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra gives, and make the launcher of the configuration."""
        self.hydra_context = hydra_context
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Run the sweep; see :mod:`segsweep.sweep.hydra_sweep`."""
        assert self.hydra_context is not None
        assert self.config is not None
        assert self.launcher is not None
        axes = [f"{key}={values}" for key, values in self.params.items()]
        with self._closing():
            return self._run(axes, arguments, self.config, self.hydra_context, self.launcher)

    def _run(self, *sweep: Any) -> Any:
        # Workers that have started by now import what they need at the same time.
        from segsweep.sweep.hydra_sweep import run

        return run(*sweep)

    @contextmanager
    def _closing(self) -> Iterator[None]:
        """End the workers of segsweep's own launcher, which may have started before anything was checked."""
        try:
            yield
        finally:
            close = getattr(self.launcher, "close", None)
            if close is not None:
                close()


class SegsweepOptunaSweeper(SegsweepSweeper):
    """Searches the space of the axes with Optuna."""

    def __init__(self, params: dict[str, str] | None, **options: Any) -> None:
        super().__init__(params)
        self.options = options

    def _run(self, *sweep: Any) -> Any:
        from segsweep.sweep.hydra_sweep import run_search

        return run_search(self.options, *sweep)


def _workers(configured: int | None) -> int:
    from segsweep.processes import default_workers

    return configured or default_workers()


def register() -> None:
    """Make the sweeper, the schemas and the launcher's number of workers known to Hydra in this process."""
    # The discovery executes the modules of plugins anew, so it must come before any of them is imported here. It does
    # not see into an editable installation, hence the call of `register`.
    Plugins.instance().register(SegsweepSweeper)
    Plugins.instance().register(SegsweepOptunaSweeper)

    from hydra_plugins.segsweep_launcher.segsweep_launcher import SegsweepLauncher

    Plugins.instance().register(SegsweepLauncher)

    from hydra_plugins.hydra_joblib_launcher.config import JobLibLauncherConf

    from segsweep.config.registration import register as register_schemas

    register_schemas()
    OmegaConf.register_new_resolver("segsweep_workers", _workers, replace=True)
    store = ConfigStore.instance()
    store.store(group="hydra/sweeper", name="segsweep", node=SegsweepSweeperConf, provider="segsweep")
    joblib = OmegaConf.structured(JobLibLauncherConf)
    joblib.n_jobs = "${segsweep_workers:${sweep.workers}}"
    # One job at a time: batches of short jobs would leave other workers idle.
    joblib.batch_size = "1"
    store.store(group="hydra/launcher", name="joblib", node=joblib, provider="segsweep")
