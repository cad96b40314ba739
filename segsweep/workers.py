"""Worker processes of this machine: how many, and their end."""

import contextlib
import os
import sys

import psutil

_BYTES_A_WORKER = 1.3e9
"""A worker with TensorFlow and a small network; see benchmarks/README.md."""
_MEMORY_LEAK_BYTES = 2**40


def default_workers() -> int:
    """As many as there are cores for this process, and memory for each."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, int(psutil.virtual_memory().available / _BYTES_A_WORKER)))


def keep_joblib_worker() -> None:
    """Stop joblib from replacing this process, if it is a worker, because its memory grew.

    joblib takes 300 MB more than after the first job for a leak. Here the later kinds of job load more libraries, and a
    new worker would spend some 10 s on its imports.
    """
    executor = sys.modules.get("joblib.externals.loky.process_executor")
    if executor is not None:
        executor._MAX_MEMORY_LEAK_SIZE = _MEMORY_LEAK_BYTES  # type: ignore[attr-defined]


def end_children() -> None:
    """Kill all processes that this one started, so that nothing goes on after a sweep that was stopped."""
    children = psutil.Process().children(recursive=True)
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    psutil.wait_procs(children, timeout=5)
