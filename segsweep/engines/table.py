"""The closed table of engines: what runs the jobs of a sweep."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig

from segsweep.config.job_config import to_job_config
from segsweep.config.schema import JobConfig
from segsweep.engines.pool import Pool
from segsweep.errors import ConfigError, SegsweepError
from segsweep.tracking.location import locate


def _local(workers: int | None, threads: int) -> Pool:
    from segsweep.engines.local import local_pool

    return local_pool(workers, threads)


def _ray(workers: int | None, threads: int, **options: Any) -> Pool:
    from segsweep.engines.ray_actors import ray_pool

    return ray_pool(workers, threads, **options)


def _dask(workers: int | None, threads: int, **options: Any) -> Pool:
    from segsweep.engines.dask_cluster import dask_pool

    return dask_pool(workers, threads, **options)


def _slurm(workers: int | None, threads: int, **options: Any) -> Pool:
    from segsweep.engines.slurm_jobs import slurm_pool

    return slurm_pool(workers, threads, **options)


ENGINES: dict[str, Callable[..., Pool]] = {"local": _local, "ray": _ray, "dask": _dask, "slurm": _slurm}
"""From the name in a launcher's preset to what makes its pool.

Each takes the number of workers (None: as fits), the most threads a job uses, and the other words of the preset.
"""


def make_pool(engine: str, options: Mapping[str, Any], jobs: Sequence[JobConfig]) -> Pool:
    """A pool of the kind `engine` for `jobs`.

    Raises:
        ConfigError: the engine or an option is unknown, or the engine's library is not installed.
    """
    make = ENGINES.get(engine)
    if make is None:
        raise ConfigError(f"hydra.launcher.engine={engine} is not a choice; it must be one of {', '.join(ENGINES)}")
    threads = max(job.training.threads for job in jobs)
    try:
        return make(jobs[0].sweep.workers, threads, **options)
    except TypeError as error:
        raise ConfigError(f"hydra.launcher: {error}; its preset in conf/hydra/launcher says what it takes") from error


def early_pool(engine: str, options: Mapping[str, Any], config: DictConfig) -> Pool | None:
    """A pool that starts before it is known what there is to do, where that is clear: a first sweep on this machine.

    Args:
        engine: name of the engine.
        options: of the launcher's preset.
        config: of the sweep, composed and not checked yet.
    """
    if engine != "local" or options or config.sweep.plan:
        return None
    try:
        # Its ranges are checked too: a number of threads or workers is about to be used.
        checked = to_job_config(config)
        database = locate(checked.tracking.uri).database
    except SegsweepError:
        # What is wrong is said when the points are checked.
        return None
    if database is None or database.exists():
        return None
    from segsweep.engines.local import local_pool

    return local_pool(checked.sweep.workers, checked.training.threads, early=True)
