"""Jobs on workers, wherever these are: each slot of a pool has a worker, and one that is lost is replaced."""

import os
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from segsweep.config.schema import JobConfig
from segsweep.job import JobOutcome, run_job


@dataclass(frozen=True)
class JobTask:
    """A job as a worker process takes it."""

    config: JobConfig
    """Its settings; `sweep` says of which sweep, which number and which attempt it is."""
    folder: Path
    """Of the sweep, for progress and logs; absolute."""
    working_folder: Path
    """Where relative paths begin; absolute."""


def served(task: JobTask) -> JobOutcome:
    """What a worker process does with a task."""
    if task.working_folder.is_dir():
        # On another host it may not exist; paths on the command line are then to be absolute.
        os.chdir(task.working_folder)
    return run_job(task.config, task.folder)


class WorkerLost(Exception):
    """A worker ended, or had to be ended, while it did a job; the message says how."""


class Worker(Protocol):
    """What does one job at a time."""

    def run(self, task: JobTask) -> JobOutcome:
        """Do the job; return how it ended.

        Raises:
            WorkerLost: the worker is gone and its job with it.
        """

    def close(self) -> None:
        """End the worker, whatever it does; may be called again, and from another thread while `run` waits."""


class Pool:
    """Workers that are started when there is something for them to do, and kept from wave to wave."""

    def __init__(self, start_worker: Callable[[int], Worker], slots: int):
        """`start_worker` is given the number of the slot, below `slots`."""
        self._start_worker = start_worker
        self._workers: list[Worker | None] = [None] * slots
        self._free: queue.SimpleQueue[int] = queue.SimpleQueue()
        for slot in range(slots):
            self._free.put(slot)

    def run(self, tasks: Sequence[JobTask], obstacle: Callable[[], str | None] = lambda: None) -> list[JobOutcome]:
        """Outcomes in the order of the tasks; every slot is busy until fewer tasks than slots are left.

        When this is interrupted, all workers are ended first. From when on `obstacle` says why, no job is started.
        """
        threads = ThreadPoolExecutor(len(self._workers), thread_name_prefix="slot")
        futures = [threads.submit(self._run_one, task, obstacle) for task in tasks]
        try:
            return [future.result() for future in futures]
        except BaseException:
            for future in futures:
                future.cancel()
            self.close()
            raise
        finally:
            threads.shutdown()

    def close(self) -> None:
        """End all workers."""
        for slot, worker in enumerate(self._workers):
            if worker is not None:
                worker.close()
                self._workers[slot] = None

    def _run_one(self, task: JobTask, obstacle: Callable[[], str | None]) -> JobOutcome:
        slot = self._free.get()
        try:
            reason = obstacle()
            if reason is not None:
                return JobOutcome(reason, started=False)
            worker = self._workers[slot]
            if worker is None:
                worker = self._workers[slot] = self._start_worker(slot)
            return worker.run(task)
        except WorkerLost as error:
            lost, self._workers[slot] = self._workers[slot], None
            if lost is not None:
                lost.close()
            return JobOutcome(str(error), killed=True)
        finally:
            self._free.put(slot)
