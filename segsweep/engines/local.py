"""Workers that are processes of this machine, each kept for many jobs: imports cost more than most jobs."""

import importlib
import os
import signal
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from segsweep.engines.pool import JobTask, Pool, Worker, WorkerLost, served
from segsweep.outcome import JobOutcome
from segsweep.processes import default_workers, end_with_parent, gpus, how_it_ended
from segsweep.quiet import quiet
from segsweep.training.runtime import load_tensorflow

_GRACE = 30.0
"""Seconds that a job which passed `sweep.timeout` has to end itself, before its process is killed."""
_GRACE_AT_END = 3.0
"""Seconds in which an idle process should end by itself."""
_SPAWN = get_context("spawn")

# The process by which Python keeps account of semaphores warns of those of workers that were killed, at the end.
os.environ["PYTHONWARNINGS"] = ",".join(
    filter(None, [os.environ.get("PYTHONWARNINGS"), "ignore::UserWarning:multiprocessing.resource_tracker"])
)


def local_pool(workers: int | None, threads: int, *, early: bool = False) -> Pool:
    """A pool of `workers` processes, each for jobs of so many threads; None: as many as fit this machine.

    With `early`, the processes start at once and load what trainings need; else when there is something to do.
    """
    fits = default_workers(threads)
    pool = Pool(partial(LocalWorker, load=early), workers or fits)
    if early:
        pool.start(fits)
    return pool


class LocalWorker(Worker):
    """One process; it ends with the process that started it, whatever happens to that."""

    def __init__(self, slot: int, *, load: bool = False):
        """Processes share the GPUs of the machine in turn: the one in `slot` sees one of them.

        With `load`, the process imports what trainings need before it is asked for anything.
        """
        self._load = load
        self._slot = slot
        self._threads: int | None = None
        self._start()

    def _start(self) -> None:
        # With its imports, at first.
        self._is_busy = True
        self._here, there = _SPAWN.Pipe()
        devices, slot = gpus(), self._slot
        environment = {"CUDA_VISIBLE_DEVICES": devices[slot % len(devices)]} if devices else {}
        self._process = _SPAWN.Process(
            target=_serve, args=(there, environment, self._load), name=f"segsweep worker {slot}"
        )
        self._process.start()
        # The other end is the child's alone now, so that its death is seen here.
        there.close()

    def is_ready(self, seconds: float) -> bool:
        """Always: a process has its place as soon as it is started."""
        return True

    def run(self, task: JobTask) -> JobOutcome:
        """Do the job; one that passes its time limit by far is killed."""
        limit, threads = task.config.sweep.timeout, task.config.training.threads
        if self._threads not in (None, threads):
            # The threads of TensorFlow are fixed for the life of a process.
            self.close()
            self._start()
        self._threads = threads
        self._is_busy = True
        try:
            self._here.send(task)
            if self._here.poll(None if limit is None else limit + _GRACE):
                outcome: JobOutcome = self._here.recv()
                self._is_busy = False
                return outcome
        except (EOFError, OSError):
            self._process.join(5)
            raise WorkerLost(how_it_ended(self._process.exitcode)) from None
        raise WorkerLost(f"it did not end {_GRACE:g} s after sweep.timeout={limit:g} s")

    def close(self) -> None:
        """End the process: at once where it does a job, else as soon as it sees that nobody has any for it."""
        if not self._is_busy:
            self._here.close()
            self._process.join(_GRACE_AT_END)
        self._process.kill()
        self._process.join(5)


def _serve(tasks: Any, environment: dict[str, str], load: bool) -> None:
    """What a worker process does: jobs, one after the other, until nobody is left to ask for one."""
    # Ctrl-C goes to all processes of a terminal; the one that started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ.update(environment)
    end_with_parent()
    if load:
        # There is no job yet whose log could take what the libraries say.
        with quiet(Path(os.devnull)):
            load_tensorflow()
            importlib.import_module("segsweep.job")
    while True:
        try:
            task: JobTask = tasks.recv()
        except EOFError:
            return
        tasks.send(served(task))
