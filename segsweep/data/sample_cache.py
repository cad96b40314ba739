"""Decoded images kept in memory, up to a limit."""

import threading
from collections.abc import Callable, Hashable

import numpy as np

Sample = tuple[np.ndarray, np.ndarray]


class SampleCache:
    """Keeps what comes first until it is full, and then stays as it is.

    An epoch reads every image once. Whatever drops old images for new ones has dropped each before it is read again;
    what stays as it is saves its share of the reading.
    """

    def __init__(self, limit: int):
        """`limit` in bytes."""
        self._limit = limit
        self._kept: dict[Hashable, Sample] = {}
        self._lock = threading.Lock()
        self.used = 0
        """Bytes of the arrays kept."""

    @property
    def limit(self) -> int:
        """Bytes that are kept at most."""
        return self._limit

    def get(self, key: Hashable, make: Callable[[], Sample]) -> Sample:
        """What `make` gives, from memory where it was kept. Nobody may change the arrays."""
        kept = self.kept(key)
        return kept if kept is not None else self.keep(key, make())

    def kept(self, key: Hashable) -> Sample | None:
        """What was kept; nobody may change the arrays."""
        return self._kept.get(key)

    def keep(self, key: Hashable, made: Sample) -> Sample:
        """Keep what was made, as long as there is room; returns it."""
        size = sum(array.nbytes for array in made)
        with self._lock:
            if key not in self._kept and self.used + size <= self._limit:
                self._kept[key] = made
                self.used += size
        return made
