"""Workers that are jobs of SLURM, or processes that submitit starts here in the same way."""

import time
from pathlib import Path
from typing import Any

from segsweep.engines.pool import JobTask, Pool, Worker, WorkerLost, served
from segsweep.errors import ConfigError
from segsweep.outcome import JobOutcome
from segsweep.processes import default_workers

_SECONDS_BETWEEN_LOOKS = 1.0
_AT_ONCE = 32
"""SLURM jobs in its queue at a time, unless `sweep.workers` says otherwise."""


def slurm_pool(
    workers: int | None,
    threads: int,
    *,
    cluster: str = "slurm",
    folder: str = "mlruns/submitit",
    **parameters: Any,
) -> Pool:
    """A pool of jobs handed to SLURM, each of which is one job of the sweep.

    Args:
        workers: jobs handed over at once.
        threads: of TensorFlow in each job; its CPUs.
        cluster: `slurm`, or `local` for processes of this machine.
        folder: for scripts and logs; all hosts must see it.
        parameters: of submitit's `AutoExecutor`: `slurm_partition`, `timeout_min`, `mem_gb`, `gpus_per_node`, ...

    Raises:
        ConfigError: submitit is not installed, or there is no SLURM here.
    """
    try:
        import submitit
    except ImportError as error:
        raise ConfigError("hydra/launcher=slurm: submitit is not installed; pip install 'segsweep[slurm]'") from error
    try:
        executor = submitit.AutoExecutor(folder=Path(folder).absolute(), cluster=cluster)
        executor.update_parameters(cpus_per_task=threads, **parameters)
    except (RuntimeError, ValueError, NotImplementedError) as error:
        raise ConfigError(f"hydra/launcher=slurm: {' '.join(str(error).split())}") from error
    at_once = _AT_ONCE if cluster == "slurm" else default_workers(threads)
    return Pool(lambda slot: SlurmWorker(executor), workers or at_once)


class SlurmWorker(Worker):
    """A place for one job at a time in the queue."""

    def __init__(self, executor: Any):
        self._executor = executor
        self._job: Any = None
        self._is_closed = False

    def is_ready(self, seconds: float) -> bool:
        """Always: SLURM keeps what there is no place for."""
        return True

    def run(self, task: JobTask) -> JobOutcome:
        """Hand the job over and wait for it."""
        from submitit.core.utils import FailedJobError, UncompletedJobError

        self._job = self._executor.submit(served, task)
        while not self._job.done() and not self._is_closed:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        try:
            outcome: JobOutcome = self._job.result()
        except FailedJobError as error:
            return JobOutcome(str(error).strip().splitlines()[-1], details=str(error))
        except UncompletedJobError as error:
            raise WorkerLost(f"its SLURM job {self._job.job_id} ended as {self._job.state}") from error
        return outcome

    def close(self) -> None:
        """Cancel the job."""
        self._is_closed = True
        if self._job is not None and not self._job.done():
            self._job.cancel(check=False)
