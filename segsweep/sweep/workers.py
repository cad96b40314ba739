"""Worker processes of this machine: how many, and their end."""

import contextlib
import os

import psutil

_BYTES_A_WORKER = 1.3e9
"""A worker with TensorFlow and a small network; see benchmarks/README.md."""


def default_workers() -> int:
    """As many as there are cores for this process, and memory for each."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, int(psutil.virtual_memory().available / _BYTES_A_WORKER)))


def end_children() -> None:
    """Kill all processes that this one started, so that nothing goes on after a sweep that was stopped."""
    children = psutil.Process().children(recursive=True)
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    psutil.wait_procs(children, timeout=5)
