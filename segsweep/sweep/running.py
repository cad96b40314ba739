"""Running the jobs of a sweep that are not done, wave by wave, and again where their workers were lost."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from segsweep.config.schema import JobConfig
from segsweep.job import PROGRESS_FOLDER, JobOutcome, hang_file
from segsweep.progress import end_lost
from segsweep.sweep.found import finished_variants
from segsweep.sweep.waves import Job, waves
from segsweep.tracking import names
from segsweep.tracking.store import Store

_RETRIES_IF_KILLED = 1


@dataclass(frozen=True)
class Start:
    """One attempt at a job."""

    job: Job
    sweep_id: str
    number: int
    """Of the job in the sweep, from 0."""
    attempt: int
    """From 1."""

    @property
    def config(self) -> JobConfig:
        """The settings, which say whose attempt this is."""
        config = self.job.spec.config
        return replace(config, sweep=replace(config.sweep, id=self.sweep_id, number=self.number, attempt=self.attempt))


Launch = Callable[[Sequence[Start]], Sequence[JobOutcome]]
"""Runs jobs and returns their outcomes in the same order."""


class Runner:
    """Runs jobs through a launch, and keeps the store true about those that were lost."""

    def __init__(self, store: Store, sweep_id: str, launch: Launch, folder: Path):
        """`folder` is the sweep's, where jobs that passed their time limit say what they were doing."""
        self._store = store
        self._sweep_id = sweep_id
        self._launch = launch
        self._folder = folder
        self._failed_trainings: dict[str, str] = {}
        self._started = 0

    def run(self, pending: Sequence[Job], trained: Collection[str]) -> dict[str, str]:
        """Run all of `pending`; return why variants failed, by evaluation key.

        A job whose training failed in an earlier wave is not started: it would only repeat the failure.

        Args:
            pending: what is to be done.
            trained: keys of the trainings that are done.
        """
        reasons: dict[str, str] = {}
        for wave in waves(pending, trained):
            ready = [job for job in wave if self._obstacle(job) is None]
            outcomes = self._outcomes(ready)
            for job in wave:
                reason = outcomes[id(job)].reason if id(job) in outcomes else self._obstacle(job)
                if reason is not None:
                    reasons.update({spec.evaluation_key: reason for spec in job.spec.variants})
        return reasons

    def _obstacle(self, job: Job) -> str | None:
        """Why the job cannot succeed, if a training that it needs has failed."""
        failed = (self._failed_trainings.get(training.key) for training in job.spec.trainings)
        return next((reason for reason in failed if reason is not None), None)

    def _outcomes(self, jobs: Sequence[Job]) -> dict[int, JobOutcome]:
        """Outcomes of jobs by their identity, after as many attempts as they are given."""
        starts = [Start(job, self._sweep_id, number, 1) for number, job in enumerate(jobs, self._started)]
        self._started += len(starts)
        found: dict[int, JobOutcome] = {}
        while starts:
            again = []
            for start, outcome in zip(starts, self._launch(starts), strict=True):
                found[id(start.job)] = self._settled(start, outcome)
                if outcome.reason is not None and start.attempt <= _retries(start.config, outcome):
                    again.append(replace(start, attempt=start.attempt + 1))
                elif outcome.failed_training is not None:
                    self._failed_trainings[outcome.failed_training] = outcome.reason or ""
            starts = again
        return found

    def _settled(self, start: Start, outcome: JobOutcome) -> JobOutcome:
        """The outcome, with the runs of a lost worker ended, and what it was doing when it was lost."""
        if not outcome.killed:
            return outcome
        if self._is_done(start.job):
            # The worker was lost with others after its job had ended.
            return JobOutcome(None)
        hang = hang_file(self._folder, start.number)
        text = hang.read_text(encoding="utf-8", errors="replace") if hang.exists() else ""
        if text:
            reason = f"it took longer than sweep.timeout={start.config.sweep.timeout:g} s"
            outcome = replace(outcome, reason=reason, killed=False)
        assert outcome.reason is not None
        ended = self._store.end_running(self._sweep_id, "FAILED", outcome.reason, job=start.number, details=text)
        end_lost(self._folder / PROGRESS_FOLDER, start.number, outcome.reason)
        training = next((run.tags.get(names.TRAINING_KEY) for run in ended if run.kind == names.TRAINING), None)
        return replace(outcome, failed_training=training)

    def _is_done(self, job: Job) -> bool:
        keys = {spec.evaluation_key for spec in job.spec.variants}
        return keys <= finished_variants(self._store, keys).keys()


def _retries(config: JobConfig, outcome: JobOutcome) -> int:
    if config.sweep.retries is not None:
        return config.sweep.retries
    return _RETRIES_IF_KILLED if outcome.killed else 0
