"""Workers that are Ray actors: on this machine, or on a cluster that runs already."""

import logging
import os
from typing import Any

from segsweep.engines.pool import JobTask, Pool, Worker, WorkerLost, served
from segsweep.errors import ConfigError
from segsweep.job import JobOutcome
from segsweep.processes import default_workers

_GRACE = 30.0
"""Seconds that a job which passed `sweep.timeout` has to end itself, before its actor is killed."""
_ENVIRONMENT = ("MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_", "SEGSWEEP_VERBOSE", "MLFLOW_TRACKING_USERNAME")


def ray_pool(
    workers: int | None,
    threads: int,
    *,
    address: str | None = None,
    cpus: float | None = None,
    gpus: float = 0,
    memory_gib: float | None = None,
) -> Pool:
    """A pool of Ray actors.

    Args:
        workers: how many; None: as many as the cluster has CPUs for.
        threads: of TensorFlow in each job.
        address: of a cluster (`auto`: the one of this machine); None starts one here for this sweep.
        cpus: reserved for each worker; None: as many as it has threads.
        gpus: reserved for each worker; a share where several are to use one.
        memory_gib: reserved for each worker.

    Raises:
        ConfigError: Ray is not installed, or no cluster answers.
    """
    try:
        # Set before the import to have an effect.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        import ray
    except ImportError as error:
        raise ConfigError("hydra/launcher=ray: Ray is not installed; pip install 'segsweep[ray]'") from error
    reserved: dict[str, Any] = {"num_cpus": threads if cpus is None else cpus, "num_gpus": gpus}
    if memory_gib is not None:
        reserved["memory"] = int(memory_gib * 2**30)
    here = workers or default_workers(threads)
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    start: dict[str, Any] = {"address": address}
    if address is None:
        start = {"num_cpus": max(here * reserved["num_cpus"], 1), "include_dashboard": False}
    try:
        ray.init(
            **start,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"env_vars": environment},
            namespace="segsweep",
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigError(f"hydra.launcher.address={address}: no Ray cluster answers there ({error})") from error
    if workers is None and address is not None:
        here = max(1, int(ray.cluster_resources().get("CPU", 1) // max(reserved["num_cpus"], 1)))
    return _RayPool(lambda slot: RayWorker(reserved), here)


class _RayPool(Pool):
    def close(self) -> None:
        """End the actors, and the cluster where it was started for this sweep."""
        import ray

        super().close()
        ray.shutdown()


class RayWorker(Worker):
    """One actor, which is never started anew by Ray: the sweep itself decides what is tried again."""

    def __init__(self, reserved: dict[str, Any]):
        import ray

        self._actor: Any = ray.remote(_Actor).options(max_restarts=0, max_task_retries=0, **reserved).remote()

    def run(self, task: JobTask) -> JobOutcome:
        """Do the job; an actor that passes the job's time limit by far is killed."""
        import ray
        from ray.exceptions import GetTimeoutError, RayError

        limit = task.config.sweep.timeout
        try:
            # Until the cluster has a place for it; waiting is no part of the job's time.
            ray.get(self._actor.ready.remote())
            outcome: JobOutcome = ray.get(
                self._actor.run.remote(task), timeout=None if limit is None else limit + _GRACE
            )
        except GetTimeoutError:
            raise WorkerLost(f"it did not end {_GRACE:g} s after sweep.timeout={limit:g} s") from None
        except RayError as error:
            reason = " ".join(str(error).split())[:300]
            raise WorkerLost(f"its worker was killed or ended ({reason})") from error
        return outcome

    def close(self) -> None:
        """Kill the actor."""
        import ray

        if ray.is_initialized():
            ray.kill(self._actor)


class _Actor:
    """What runs on the cluster."""

    def ready(self) -> None:
        """Returns when the actor is there."""

    def run(self, task: JobTask) -> JobOutcome:
        """One job."""
        return served(task)
