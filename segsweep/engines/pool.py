"""Jobs on workers, wherever these are: each slot of a pool has a worker, and one that is lost is replaced."""

import contextlib
import os
import queue
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from segsweep.config.schema import JobConfig
from segsweep.errors import reason_of
from segsweep.outcome import JobOutcome

_SECONDS_BETWEEN_LOOKS = 1.0


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
    # Here, since whoever hands out the work need not wait for these imports.
    from segsweep.job import run_job

    if task.working_folder.is_dir():
        # On another host it may not exist; paths on the command line are then to be absolute.
        os.chdir(task.working_folder)
    return run_job(task.config, task.folder)


class WorkerLost(Exception):
    """A worker ended, or had to be ended, while it did a job; the message says how."""


class Worker(Protocol):
    """What does one job at a time."""

    def is_ready(self, seconds: float) -> bool:
        """Whether the worker has its place and could begin a job; waits for that so long at most.

        Raises:
            WorkerLost: it will never have one.
        """

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
        self._is_closed = False

    def start(self, most: int) -> None:
        """Start the first `most` workers now, not when there is something for them to do."""
        for slot in range(min(most, len(self._workers))):
            self._worker(slot)

    def run(self, tasks: Sequence[JobTask], obstacle: Callable[[], str | None] = lambda: None) -> list[JobOutcome]:
        """Outcomes in the order of the tasks; every slot is busy until fewer tasks than slots are left.

        When this is interrupted, all workers are ended first. From when on `obstacle` says why, no job is started.
        """
        slots = min(len(self._workers), len(tasks))
        waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        for index in range(len(tasks)):
            waiting.put(index)
        outcomes: dict[int, JobOutcome] = {}
        with ThreadPoolExecutor(max(slots, 1), thread_name_prefix="slot") as threads:
            futures = [threads.submit(self._serve, slot, tasks, waiting, outcomes, obstacle) for slot in range(slots)]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                self.close()
                raise
        return [outcomes[index] for index in range(len(tasks))]

    def close(self) -> None:
        """End all workers."""
        self._is_closed = True
        for slot, worker in enumerate(self._workers):
            if worker is not None:
                worker.close()
                self._workers[slot] = None

    def _serve(
        self,
        slot: int,
        tasks: Sequence[JobTask],
        waiting: "queue.SimpleQueue[int]",
        outcomes: dict[int, JobOutcome],
        obstacle: Callable[[], str | None],
    ) -> None:
        """Have the slot's worker do tasks as long as there are any; a task is taken once the worker could begin it."""
        while not self._is_closed and not waiting.empty():
            try:
                worker = self._worker(slot)
                if not worker.is_ready(_SECONDS_BETWEEN_LOOKS):
                    continue
            except Exception as error:
                # No worker to be had: the next task fails by it, and the sweep goes on.
                self._drop(slot)
                with contextlib.suppress(queue.Empty):
                    index = waiting.get_nowait()
                    outcomes[index] = JobOutcome(_reason(error), killed=True, details=_details(error))
                continue
            try:
                index = waiting.get_nowait()
            except queue.Empty:
                return
            reason = obstacle()
            if reason is not None:
                outcomes[index] = JobOutcome(reason, started=False)
                continue
            try:
                outcomes[index] = worker.run(tasks[index])
            except Exception as error:
                self._drop(slot)
                outcomes[index] = JobOutcome(_reason(error), killed=True, details=_details(error))
        if not self._is_ready(slot):
            self._drop(slot)

    def _worker(self, slot: int) -> Worker:
        worker = self._workers[slot]
        if worker is None:
            worker = self._workers[slot] = self._start_worker(slot)
            if self._is_closed:
                # It was closed while the worker started.
                worker.close()
        return worker

    def _is_ready(self, slot: int) -> bool:
        """Whether the slot's worker has its place; one that waits for it would keep others from it."""
        worker = self._workers[slot]
        try:
            return worker is not None and worker.is_ready(0)
        except WorkerLost:
            return False

    def _drop(self, slot: int) -> None:
        worker, self._workers[slot] = self._workers[slot], None
        if worker is not None:
            worker.close()


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, WorkerLost) else reason_of(error)


def _details(error: Exception) -> str:
    """The traceback of what was not foreseen."""
    return "" if isinstance(error, WorkerLost) else "".join(traceback.format_exception(error))
