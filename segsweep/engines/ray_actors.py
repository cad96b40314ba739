"""Workers that are Ray actors: on this machine, or on a cluster that runs already."""

import logging
import os
from typing import Any

from segsweep.engines.pool import JobTask, Pool, Worker, WorkerLost, served
from segsweep.errors import ConfigError
from segsweep.outcome import JobOutcome
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
    there = ray.cluster_resources()
    wanted = {"CPU": reserved["num_cpus"], "GPU": gpus, "memory": reserved.get("memory", 0)}
    fits = min(int(there.get(name, 0) // need) for name, need in wanted.items() if need)
    if fits < 1:
        ray.shutdown()
        needs = ", ".join(f"{need:g} {name}" for name, need in wanted.items() if need)
        raise ConfigError(f"hydra/launcher=ray: no place in the cluster for a worker with {needs}; reserve less")
    here = fits if workers is None and address is not None else min(here, fits)
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

        actor: Any = ray.remote(_Actor).options(max_restarts=0, max_task_retries=0, **reserved).remote()
        self._actor = actor
        self._ready: Any = actor.ready.remote()

    def is_ready(self, seconds: float) -> bool:
        """Whether the cluster has a place for the actor."""
        import ray
        from ray.exceptions import RayError

        done, _ = ray.wait([self._ready], timeout=seconds)
        try:
            ray.get(done)
        except RayError as error:
            raise WorkerLost(f"its worker did not start ({_short(error)})") from error
        return bool(done)

    def run(self, task: JobTask) -> JobOutcome:
        """Do the job; an actor that passes the job's time limit by far is killed."""
        import ray
        from ray.exceptions import GetTimeoutError, RayError

        limit = task.config.sweep.timeout
        try:
            outcome: JobOutcome = ray.get(
                self._actor.run.remote(task), timeout=None if limit is None else limit + _GRACE
            )
        except GetTimeoutError:
            raise WorkerLost(f"it did not end {_GRACE:g} s after sweep.timeout={limit:g} s") from None
        except RayError as error:
            raise WorkerLost(f"its worker was killed or ended ({_short(error)})") from error
        return outcome

    def close(self) -> None:
        """Kill the actor."""
        import ray

        if ray.is_initialized():
            ray.kill(self._actor)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


class _Actor:
    """What runs on the cluster."""

    def ready(self) -> None:
        """Returns when the actor is there."""

    def run(self, task: JobTask) -> JobOutcome:
        """One job."""
        return served(task)
