"""The metrics of a training's epochs, on their way to the store."""

import time
from collections.abc import Sequence

from segsweep.errors import TrainingPruned
from segsweep.runs.context import Context
from segsweep.tracking import names
from segsweep.training.history import EpochReport

_SECONDS_BETWEEN_WRITES = 5.0
_SECONDS_BETWEEN_REPORTS = 1.0
"""Where a search may give the training up."""
_SECONDS_BETWEEN_TRIES = 30.0
"""While the server does not answer."""


class HistoryLog:
    """Gathers the metrics of epochs, which may be shorter than a write to the store, and writes them now and then."""

    def __init__(self, context: Context, run_id: str):
        self._context = context
        self._run_id = run_id
        self._points: list[tuple[str, float, int, int]] = []
        self._written = time.monotonic()
        self._between = _SECONDS_BETWEEN_REPORTS if context.sweep.prune else _SECONDS_BETWEEN_WRITES
        self._pause = self._between

    def write(self, reports: Sequence[EpochReport]) -> None:
        for report in reports:
            self._points += [
                (name, value, report.epoch, report.timestamp_ms) for name, value in sorted(report.metrics.items())
            ]

    def add(self, report: EpochReport) -> None:
        self.write([report])
        self._context.progress.step(report.epoch, report.metrics.get("train/loss"), report.seconds_left)
        if time.monotonic() - self._written >= self._pause:
            try:
                self.flush(wait=False)
                self._pause = self._between
                self._give_up_if_hopeless()
            except ConnectionError:
                # The training goes on; what it has to say is sent when somebody listens again.
                self._pause = _SECONDS_BETWEEN_TRIES
            self._written = time.monotonic()

    def _give_up_if_hopeless(self) -> None:
        if self._context.sweep.prune:
            reason = self._context.store.get(self._run_id).tags.get(names.PRUNE)
            if reason is not None:
                raise TrainingPruned(f"pruned: {reason}")

    def flush(self, *, wait: bool = True) -> None:
        """Write what was gathered; without `wait`, raise ConnectionError where nobody answers."""
        self._context.store.log_history(self._run_id, self._points, wait=wait)
        self._points = []
