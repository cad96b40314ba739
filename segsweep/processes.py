"""Processes of this machine: how many workers there should be, how they ended, and their end."""

import contextlib
import os
import signal
import sys
import threading
import time
from multiprocessing import connection, parent_process
from pathlib import Path

import psutil

_BYTES_A_WORKER = 1.3e9
"""A worker with TensorFlow and a small network; see benchmarks/README.md."""
_MEMORY_LEAK_BYTES = 2**40


def default_workers(threads: int = 1) -> int:
    """As many workers, each with so many threads, as there are cores for this process, and memory for each."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores // threads, int(psutil.virtual_memory().available / _BYTES_A_WORKER)))


def gpus() -> list[str]:
    """What this process may use, as `CUDA_VISIBLE_DEVICES` names them; found without loading any library."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name.strip() not in ("", "-1")]
    try:
        return [str(number) for number in range(len(os.listdir("/proc/driver/nvidia/gpus")))]
    except OSError:
        return []


def may_have_gpu() -> bool:
    """Whether an NVIDIA GPU may be found here, told without loading any library; where that cannot be told, True."""
    if sys.platform != "linux" or gpus():
        return True
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return False
    # In some containers /proc says nothing of them; under Windows they are behind /dev/dxg.
    return any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/dxg").exists()


def how_it_ended(exit_code: int | None) -> str:
    """The exit code of a process (negative: the number of a signal) in words."""
    if exit_code == -signal.SIGKILL:
        return "its worker was killed (SIGKILL; the system does so when memory runs out)"
    if exit_code is not None and exit_code < 0:
        return f"its worker was killed ({signal.Signals(-exit_code).name})"
    return f"its worker ended without a result (exit status {exit_code})"


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


def end_with_parent() -> None:
    """From now on this process ends when the one that started it does, whatever it is doing then."""
    threading.Thread(target=_end_with_parent, name="end with parent", daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    # The job in hand is lost to nobody: what it has done so far is in its checkpoint.
    time.sleep(0.1)
    end_children()
    os._exit(1)
