"""Registers segsweep's schemas and its staged sweeper with Hydra."""

# No `from __future__ import annotations` here: with a dataclass beside it, Hydra's discovery of plugins crashes.
from dataclasses import dataclass
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper, BasicSweeperConf
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra_plugins.hydra_joblib_launcher.config import JobLibLauncherConf
from omegaconf import OmegaConf


@dataclass
class SegsweepSweeperConf(BasicSweeperConf):
    """Axes in `params`, as for Hydra's own sweeper."""

    _target_: str = "hydra_plugins.segsweep_sweeper.segsweep_sweeper.SegsweepSweeper"


class SegsweepSweeper(BasicSweeper):
    """Expands the axes as Hydra's sweeper does, and runs the points in waves."""

    def sweep(self, arguments: list[str]) -> Any:
        """Run the sweep; see :func:`segsweep.sweep.hydra_sweep.run`."""
        from segsweep.sweep.hydra_sweep import run

        assert self.config is not None
        assert self.hydra_context is not None
        assert self.launcher is not None
        return run([*self._parse_config()], arguments, self.config, self.hydra_context, self.launcher)


def _workers(configured: int | None) -> int:
    from segsweep.sweep.workers import default_workers

    return configured or default_workers()


def register() -> None:
    """Make the sweeper, the schemas and the launcher's number of workers known to Hydra in this process."""
    from segsweep.config.registration import register as register_schemas

    # Hydra's own discovery does not see into an editable installation.
    plugins = Plugins.instance()
    plugins.register(SegsweepSweeper)
    register_schemas()
    OmegaConf.register_new_resolver("segsweep_workers", _workers, replace=True)
    store = ConfigStore.instance()
    store.store(group="hydra/sweeper", name="segsweep", node=SegsweepSweeperConf, provider="segsweep")
    joblib = OmegaConf.structured(JobLibLauncherConf)
    joblib.n_jobs = "${segsweep_workers:${sweep.workers}}"
    # One job at a time: batches of short jobs would leave other workers idle.
    joblib.batch_size = "1"
    store.store(group="hydra/launcher", name="joblib", node=joblib, provider="segsweep")
