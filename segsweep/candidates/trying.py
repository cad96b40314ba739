"""Candidates tried once: what is known of earlier is not tried again, and what comes out is kept on the run."""

import json
import time
from collections.abc import Callable, Sequence

from segsweep.candidates.problem import Problem
from segsweep.candidates.trial import Candidate, Trial
from segsweep.candidates.workers import Workers
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store

_SECONDS_BETWEEN_SAVES = 30.0


class Trying:
    """Tries candidates of one problem, to be used with `with`; results are kept on a run, if there is one."""

    def __init__(
        self,
        problem: Problem,
        store: Store | None = None,
        run: RunRecord | None = None,
        *,
        deadline: float = float("inf"),
        workers: int | None = None,
        on_trial: Callable[[int, int], None] | None = None,
    ) -> None:
        """
        Args:
            problem: what is tried.
            store: with `run`.
            run: of which results are kept as an artifact; None: they are forgotten.
            deadline: after it nothing is begun any more; by `time.monotonic`.
            workers: processes; None: one a core.
            on_trial: called with how many candidates are done and how many are wanted so far.
        """
        self.problem = problem
        self.made = 0
        """Candidates that were tried, and not known."""
        self.seconds = 0.0
        """Wall time that took."""
        self._store, self._run = store, run
        self._deadline, self._on_trial = deadline, on_trial
        self._workers = Workers(problem, workers)
        self._known = _read(store, run)
        self._saved = time.monotonic()

    def __enter__(self) -> "Trying":
        self._workers.__enter__()
        return self

    def __exit__(self, *how: object) -> None:
        self._workers.__exit__(None, None, None)
        self._save()

    @property
    def is_over(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() >= self._deadline

    def trials(self, candidates: Sequence[Candidate], images: int) -> list[Trial | None]:
        """A trial of each candidate on the first `images`; None for what the deadline left no time for."""
        keys = [candidate.key(self.problem, images) for candidate in candidates]
        unknown = [index for index, key in enumerate(keys) if key not in self._known and keys.index(key) == index]
        started = time.perf_counter()
        try:
            wanted = [(candidates[index], images) for index in unknown]
            for place, trial in self._workers.trials(wanted, deadline=self._deadline):
                self._known[keys[unknown[place]]] = trial
                self.made += 1
                if self._on_trial is not None:
                    self._on_trial(self.made, self.made + len(unknown) - 1 - place)
                if time.monotonic() - self._saved > _SECONDS_BETWEEN_SAVES:
                    self._save()
        finally:
            self.seconds += time.perf_counter() - started if unknown else 0.0
        return [self._known.get(key) for key in keys]

    def trial(self, candidate: Candidate, images: int) -> Trial | None:
        """The same of one."""
        return self.trials([candidate], images)[0]

    def _save(self) -> None:
        """Without a hash on the run: a file that is replaced must not make the run look damaged."""
        self._saved = time.monotonic()
        if self._store is None or self._run is None or not self.made:
            return
        content = {key: trial.as_dict() for key, trial in self._known.items()}
        self._store.upload(self._run.run_id, {names.CANDIDATES_FILE: json.dumps(content).encode()})


def _read(store: Store | None, run: RunRecord | None) -> dict[str, Trial]:
    """What is known of earlier; nothing where the artifact is damaged."""
    content = store.artifacts.read(run, names.CANDIDATES_FILE) if store is not None and run is not None else None
    try:
        return {key: Trial.of(values) for key, values in json.loads(content or b"{}").items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}
