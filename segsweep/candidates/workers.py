"""Candidates on all cores: processes that hold the problem, and import no TensorFlow."""

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import fields, replace
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType

import numpy as np

from segsweep.candidates.problem import Problem
from segsweep.candidates.trial import Candidate, Trial, failed, try_candidate
from segsweep.processes import default_workers, end_with_parent

ENDED_ITS_PROCESS = "it ended the process that ran it"
_ARRAYS = ("images", "labels", "reference")
_AHEAD = 2
"""Candidates that wait for each worker."""

_problem: Problem | None = None
"""In a worker: what it works on."""


class Workers:
    """Tries candidates of one problem; to be used with `with`."""

    def __init__(self, problem: Problem, workers: int | None = None) -> None:
        """`workers`: processes; None: one for each core that this process may use."""
        self.problem = problem
        self._count = workers or default_workers()
        self._folder = tempfile.TemporaryDirectory(prefix="segsweep-candidates-")
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "Workers":
        folder = Path(self._folder.name)
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self.problem, name))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
        self._folder.cleanup()

    def trials(
        self, wanted: Sequence[tuple[Candidate, int]], *, deadline: float = float("inf")
    ) -> Iterator[tuple[int, Trial]]:
        """Trials of candidates on the first so many images each, with their place in `wanted`, as they are ready.

        None is begun after `deadline`, by `time.monotonic`. A candidate that ends its process has failed; the others
        do not suffer.
        """
        suspects: list[int] = []
        yield from self._run(wanted, range(len(wanted)), self._count * _AHEAD, deadline, suspects.append)
        for index in suspects:
            # One at a time, it shows which one it was.
            ended: list[int] = []
            yield from self._run(wanted, [index], 1, deadline, ended.append)
            if ended:
                yield index, failed(wanted[index][1], ENDED_ITS_PROCESS)

    def _run(
        self,
        wanted: Sequence[tuple[Candidate, int]],
        indices: Sequence[int],
        at_once: int,
        deadline: float,
        lost: Callable[[int], None],
    ) -> Iterator[tuple[int, Trial]]:
        waiting, running = list(reversed(indices)), dict[Future[Trial], int]()
        while waiting or running:
            while waiting and len(running) < at_once and time.monotonic() < deadline:
                index = waiting.pop()
                try:
                    running[self._open().submit(_try, *wanted[index])] = index
                except BrokenProcessPool:
                    waiting.append(index)
                    break
            if not running:
                if time.monotonic() >= deadline:
                    return
                self._close()
                continue
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                index = running.pop(future)
                if isinstance(future.exception(), BrokenProcessPool):
                    lost(index)
                else:
                    yield index, future.result()
            if self._is_broken():
                for future in list(running):
                    if not future.done() or isinstance(future.exception(), BrokenProcessPool):
                        lost(running.pop(future))
                self._close()

    def _is_broken(self) -> bool:
        return self._pool is not None and bool(getattr(self._pool, "_broken", False))

    def _open(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # For the processes to come: each has a core to itself.
            os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
            nothing = np.empty(0)
            light = replace(self.problem, images=nothing, labels=nothing, reference=nothing)
            self._pool = ProcessPoolExecutor(
                self._count, get_context("spawn"), initializer=_begin, initargs=(light, self._folder.name)
            )
        return self._pool

    def _close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def _begin(problem: Problem, folder: str) -> None:
    """In a worker: take the problem; its arrays are mapped, so that all workers share them."""
    global _problem
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it says when to end
    end_with_parent()
    # What LiteRT says about its delegates is nothing that a person asked for.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    arrays = {name: np.load(Path(folder) / f"{name}.npy", mmap_mode="r") for name in _ARRAYS}
    values = {each.name: getattr(problem, each.name) for each in fields(Problem)}
    _problem = Problem(**{**values, **arrays})


def _try(candidate: Candidate, images: int) -> Trial:
    assert _problem is not None
    return try_candidate(candidate, _problem, images)
