"""How long a sweep may start jobs."""

import time


class Budget:
    """Hours after which no job is started any more; what runs then is finished."""

    def __init__(self, hours: float | None):
        """None: as long as it takes."""
        self._hours = hours
        self._ends = None if hours is None else time.monotonic() + 3600 * hours

    @property
    def is_over(self) -> bool:
        """Whether no job is to be started."""
        return self._ends is not None and time.monotonic() >= self._ends

    @property
    def reason(self) -> str:
        """Why a job was not started."""
        return f"not started: sweep.max_hours={self._hours:g} was over"
