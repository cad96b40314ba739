"""Doing the same to many things at once: decoding gives Python's lock away, so threads are enough."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@lru_cache(maxsize=1)
def _threads(process: int) -> ThreadPoolExecutor:
    """The threads of a process; a forked one needs its own."""
    return ThreadPoolExecutor(cores(), thread_name_prefix="reading")


def in_parallel(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterable[Result]:
    """`work` done to each of `items`, the results in order. `work` must not call this again."""
    if len(items) == 1 or cores() == 1:
        return map(work, items)
    return _threads(os.getpid()).map(work, items)
