"""Reading batches of a split before they are asked for."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from segsweep.data.dataset import ArraySplit, Split

AHEAD = 2
"""Batches that are read, or made, in the background while one is used."""


def read_ahead(split: Split, batches: Sequence[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The indices in each of `batches` with what `split` reads for them.

    Where files are decoded, the next batch begins while the last images of one are on their way: no core waits.
    """
    if isinstance(split, ArraySplit):
        # Nothing but copying, which Python does one after the other anyway.
        yield from ((indices, *split.read(indices)) for indices in batches)
        return
    with ThreadPoolExecutor(AHEAD, thread_name_prefix="batches, reading") as threads:
        pending: deque[Future[tuple[np.ndarray, np.ndarray]]] = deque()
        try:
            for number, indices in enumerate(batches):
                while len(pending) < AHEAD and number + len(pending) < len(batches):
                    pending.append(threads.submit(split.read, batches[number + len(pending)]))
                yield indices, *pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
