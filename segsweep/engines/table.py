"""The closed table of engines: what runs the jobs of a sweep."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from segsweep.config.schema import JobConfig
from segsweep.engines.pool import Pool
from segsweep.errors import ConfigError


def _local(workers: int | None, threads: int) -> Pool:
    from segsweep.engines.local import local_pool

    return local_pool(workers, threads)


ENGINES: dict[str, Callable[..., Pool]] = {"local": _local}
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
    return make(jobs[0].sweep.workers, threads, **options)
