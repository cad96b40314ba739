"""A Hydra launcher that runs jobs on segsweep's own pools of workers."""

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class SegsweepLauncher(Launcher):
    """Chooses a kind of pool by name; the presets in `conf/hydra/launcher/` say what each takes."""

    def __init__(self, engine: str, **options: Any) -> None:
        self._engine = engine
        self._options = options
        self._pool: Any = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Start workers early where a store that is not there yet says that there is everything to do."""
        from segsweep.engines.table import early_pool

        self._pool = early_pool(self._engine, self._options, config)

    def pool_for(self, points: Sequence[Any]) -> Any:
        """A pool for the jobs of a sweep; see :func:`segsweep.engines.table.make_pool`."""
        from segsweep.engines.table import make_pool

        if self._pool is None:
            self._pool = make_pool(self._engine, self._options, [point.config for point in points])
        return self._pool

    def close(self) -> None:
        """End the workers."""
        if self._pool is not None:
            self._pool.close()

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Refuse: another sweeper would have each job be a sweep of its own."""
        from segsweep.errors import ConfigError

        raise ConfigError(f"hydra/launcher={self._engine} needs hydra/sweeper=segsweep; or choose hydra/launcher=basic")
