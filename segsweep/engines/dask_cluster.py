"""Workers of Dask distributed: on this machine, or of a scheduler that runs already."""

import contextlib
import threading
from typing import Any

from segsweep.engines.pool import JobTask, Pool, Worker, WorkerLost, served
from segsweep.errors import ConfigError
from segsweep.outcome import JobOutcome
from segsweep.processes import default_workers

_GRACE = 30.0
"""Seconds that a job which passed `sweep.timeout` has to end itself, before its worker is started anew."""
_one_at_a_time = threading.Lock()


def dask_pool(workers: int | None, threads: int, *, address: str | None = None) -> Pool:
    """A pool on Dask workers.

    Args:
        workers: jobs at once; None: as many as the cluster has workers, or as fit this machine.
        threads: of TensorFlow in each job.
        address: of a scheduler; None starts one here for this sweep.

    Raises:
        ConfigError: Dask is not installed, or no scheduler answers.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise ConfigError("hydra/launcher=dask: Dask is not installed; pip install 'segsweep[dask]'") from error
    # The sweep itself decides what is tried again.
    dask.config.set(
        {
            "distributed.scheduler.allowed-failures": 0,
            "distributed.comm.timeouts.connect": "15s",
            # A job with another number of threads needs a process of its own.
            "distributed.worker.daemon": False,
        }
    )
    if address is None:
        count = workers or default_workers(threads)
        cluster = LocalCluster(
            n_workers=count, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs="CRITICAL"
        )
        return _DaskPool(Client(cluster), cluster, count)
    try:
        client = Client(address)
    except (OSError, ValueError) as error:
        raise ConfigError(f"hydra.launcher.address={address}: no Dask scheduler answers there ({error})") from error
    return _DaskPool(client, None, workers or max(1, len(client.scheduler_info(n_workers=-1)["workers"])))


class _DaskPool(Pool):
    def __init__(self, client: Any, cluster: Any, slots: int):
        super().__init__(lambda slot: DaskWorker(client), slots)
        self._client, self._cluster = client, cluster

    def close(self) -> None:
        """Give up all jobs; end the cluster where it was started for this sweep."""
        super().close()
        self._client.close(timeout=2)
        if self._cluster is not None:
            self._cluster.close(timeout=5)


class DaskWorker(Worker):
    """A place for one job at a time; which process it has, the scheduler decides."""

    def __init__(self, client: Any):
        self._client = client
        self._future: Any = None

    def is_ready(self, seconds: float) -> bool:
        """Always: the scheduler keeps what there is no place for."""
        return True

    def run(self, task: JobTask) -> JobOutcome:
        """Do the job; a worker that passes the job's time limit by far is started anew."""
        from distributed import CancelledError, KilledWorker

        limit = task.config.sweep.timeout
        self._future = self._client.submit(_run, task, pure=False, retries=0)
        try:
            outcome: JobOutcome = self._future.result(timeout=None if limit is None else limit + _GRACE)
        except TimeoutError:
            self._restart()
            raise WorkerLost(f"it did not end {_GRACE:g} s after sweep.timeout={limit:g} s") from None
        except (KilledWorker, CancelledError) as error:
            raise WorkerLost("its worker was killed or ended") from error
        return outcome

    def close(self) -> None:
        """Give up the job; the process that does it is started anew, or it would go on."""
        if self._future is not None and not self._future.done():
            with contextlib.suppress(Exception):
                self._restart()
            self._future.cancel()

    def _restart(self) -> None:
        busy = [where for where, keys in self._client.processing().items() if self._future.key in keys]
        self._client.restart_workers(busy, timeout=30, raise_for_error=False)


def _run(task: JobTask) -> JobOutcome:
    # A worker may have several threads, and TensorFlow's state belongs to the process.
    with _one_at_a_time:
        return served(task)
