"""How many jobs this machine can run at once."""

import os

import psutil

_BYTES_A_WORKER = 1.3e9
"""A worker with TensorFlow and a small network; see benchmarks/README.md."""


def default_workers() -> int:
    """As many as there are cores for this process, and memory for each."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, int(psutil.virtual_memory().available / _BYTES_A_WORKER)))
