"""Running the jobs of a sweep that are not done, wave by wave."""

from collections.abc import Callable, Collection, Sequence

from segsweep.job import JobOutcome
from segsweep.sweep.found import finished_variants
from segsweep.sweep.waves import Job, waves
from segsweep.tracking.store import Store, reason_of

Launch = Callable[[Sequence[Job], str, int], Sequence[JobOutcome]]
"""Runs jobs and returns their outcomes in the same order; takes them, the sweep's run id and the first job's number."""


class Runner:
    """Runs jobs through a launcher, which may break."""

    def __init__(self, store: Store, sweep_id: str, launch: Launch, on_break: Callable[[], None]):
        """`on_break` is called when the launcher broke, before its jobs are launched again."""
        self._store = store
        self._sweep_id = sweep_id
        self._launch = launch
        self._on_break = on_break
        self._started = 0

    def run(self, pending: Sequence[Job], trained: Collection[str]) -> dict[str, str]:
        """Run all of `pending`; return why variants failed, by evaluation key.

        A job whose training failed in an earlier wave is not started: it would only repeat the failure.

        Args:
            pending: what is to be done.
            trained: keys of the trainings that are done.
        """
        reasons: dict[str, str] = {}
        failed_trainings: dict[str, str] = {}
        for wave in waves(pending, trained):
            ready = [job for job in wave if not any(each.key in failed_trainings for each in job.spec.trainings)]
            outcomes = dict(zip(map(id, ready), self._outcomes(ready, attempts=2), strict=True))
            for job in wave:
                outcome = outcomes.get(id(job))
                if outcome is None:
                    reason = next(failed_trainings[t.key] for t in job.spec.trainings if t.key in failed_trainings)
                elif outcome.reason is not None:
                    reason = outcome.reason
                    if outcome.failed_training is not None:
                        failed_trainings[outcome.failed_training] = reason
                else:
                    continue
                reasons.update({spec.evaluation_key: reason for spec in job.spec.variants})
        return reasons

    def _outcomes(self, jobs: Sequence[Job], attempts: int) -> list[JobOutcome]:
        """Outcomes of jobs, also where the launcher breaks, as joblib does for all of them when one worker is killed.

        What is not done then is launched once more together, since a worker may have died by chance, and then one by
        one, so that only what kills its worker fails.
        """
        if not jobs:
            return []
        first = self._started
        self._started += len(jobs)
        try:
            return list(self._launch(jobs, self._sweep_id, first))
        except Exception as error:
            reason = f"its worker was killed or broke ({reason_of(error)})"
            self._store.end_running(self._sweep_id, "FAILED", reason)
            self._on_break()
            if attempts <= 1 and len(jobs) == 1:
                return [JobOutcome(reason)]
        left = [job for job in jobs if not self._is_done(job)]
        groups = [left] if attempts > 1 else [[job] for job in left]
        found = {
            id(job): outcome
            for group in groups
            for job, outcome in zip(group, self._outcomes(group, attempts - 1), strict=True)
        }
        return [found.get(id(job), JobOutcome(None)) for job in jobs]

    def _is_done(self, job: Job) -> bool:
        keys = {spec.evaluation_key for spec in job.spec.variants}
        return keys <= finished_variants(self._store, keys).keys()
