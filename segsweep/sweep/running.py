"""Running the jobs of a sweep that are not done, wave by wave, and again where their workers were lost."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from segsweep.config.job_config import parameters
from segsweep.config.schema import JobConfig
from segsweep.job import PROGRESS_FOLDER, hang_file
from segsweep.outcome import JobOutcome
from segsweep.progress import end_lost
from segsweep.runs.run_names import variant_name
from segsweep.sweep.budget import Budget
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
    varying: tuple[str, ...] = ()
    """Settings that vary in the sweep, by override name; its runs are named for them."""

    @property
    def config(self) -> JobConfig:
        """The settings, which say whose attempt this is."""
        config = self.job.spec.config
        sweep = replace(
            config.sweep, id=self.sweep_id, number=self.number, attempt=self.attempt, varying=list(self.varying)
        )
        return replace(config, sweep=sweep)


Obstacle = Callable[[], str | None]
"""Why no further job is to be started; None while there is no reason."""

Launch = Callable[[Sequence[Start], Obstacle], Sequence[JobOutcome]]
"""Runs jobs and returns their outcomes in the same order."""


@dataclass(frozen=True)
class Failure:
    """Why a variant was not made."""

    reason: str
    started: bool
    """False where its job's turn did not come."""
    pruned: bool = False
    """Whether its training was given up as hopeless."""


class Runner:
    """Runs jobs through a launch, and keeps the store true about those that were lost."""

    def __init__(
        self,
        store: Store,
        sweep_id: str,
        launch: Launch,
        folder: Path,
        budget: Budget,
        varying: Collection[str] = (),
    ):
        """`folder` is the sweep's, where jobs that passed their time limit say what they were doing; `varying` are the
        settings for which its runs are named."""
        self._budget = budget
        self._varying = tuple(sorted(varying))
        self._store = store
        self._sweep_id = sweep_id
        self._launch = launch
        self._folder = folder
        self._failed_trainings: dict[str, JobOutcome] = {}
        self._started = 0

    def run(self, pending: Sequence[Job], trained: Collection[str]) -> dict[str, Failure]:
        """Run all of `pending`; return why variants were not made, by evaluation key.

        A job whose training failed in an earlier wave is not started: it would only repeat the failure.

        Args:
            pending: what is to be done.
            trained: keys of the trainings that are done.
        """
        failures: dict[str, Failure] = {}
        for wave in waves(pending, trained):
            ready = [job for job in wave if self._obstacle(job) is None]
            outcomes = self._outcomes(ready)
            for job in wave:
                outcome = outcomes.get(id(job)) or self._obstacle(job)
                if outcome is not None and outcome.reason is not None:
                    failure = Failure(outcome.reason, outcome.started, outcome.pruned)
                    failures.update({spec.evaluation_key: failure for spec in job.spec.variants})
        return failures

    def _obstacle(self, job: Job) -> JobOutcome | None:
        """Why the job cannot succeed, if a training that it needs has failed."""
        failed = (self._failed_trainings.get(training.key) for training in job.spec.trainings)
        return next((outcome for outcome in failed if outcome is not None), None)

    def _is_time_over(self) -> str | None:
        return self._budget.reason if self._budget.is_over else None

    def _outcomes(self, jobs: Sequence[Job]) -> dict[int, JobOutcome]:
        """Outcomes of jobs by their identity, after as many attempts as they are given."""
        starts = [
            Start(job, self._sweep_id, number, 1, self._varying) for number, job in enumerate(jobs, self._started)
        ]
        self._started += len(starts)
        found: dict[int, JobOutcome] = {}
        while starts:
            again = []
            for start, outcome in zip(starts, self._launch(starts, self._is_time_over), strict=True):
                if not outcome.started and start.attempt > 1:
                    # Its time was over before it was tried again: it has failed.
                    continue
                outcome = found[id(start.job)] = self._settled(start, outcome)
                if outcome.started and outcome.reason is not None and start.attempt <= _retries(start.config, outcome):
                    again.append(replace(start, attempt=start.attempt + 1))
                elif outcome.failed_training is not None:
                    self._failed_trainings[outcome.failed_training] = outcome
            starts = again
        return found

    def _settled(self, start: Start, outcome: JobOutcome) -> JobOutcome:
        """The outcome, with the runs of a lost worker ended, and what it was doing when it was lost."""
        if not outcome.killed:
            if outcome.started and not outcome.pruned and outcome.reason is not None:
                self._leave_a_run(start, outcome)
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
        self._leave_a_run(start, replace(outcome, details=text or outcome.details))
        training = next((run for run in ended if run.kind == names.TRAINING), None)
        if training is None:
            return outcome
        reason = f"training {training.name} failed: {outcome.reason}"
        return replace(outcome, reason=reason, failed_training=training.tags.get(names.TRAINING_KEY))

    def _leave_a_run(self, start: Start, outcome: JobOutcome) -> None:
        """See to it that a failed attempt is a FAILED run, also where it ended before it had made one."""
        assert outcome.reason is not None
        condition = f"tags.`{names.SWEEP_ID}` = '{self._sweep_id}' AND tags.`{names.JOB}` = '{start.number}'"
        runs = self._store.search(f"attributes.status = 'FAILED' AND {condition}")
        if any(run.tags.get(names.ATTEMPT) == str(start.attempt) for run in runs):
            return
        asked = replace(start.job.spec.asked, config=replace(start.job.spec.asked.config, sweep=start.config.sweep))
        tags = {
            names.SWEEP_ID: self._sweep_id,
            names.JOB: str(start.number),
            names.ATTEMPT: str(start.attempt),
            names.TRAINING_KEY: asked.training.key,
            names.TRAINING_KIND: asked.training.kind,
            names.VARIANT_KEY: asked.key,
            names.EVALUATION_KEY: asked.evaluation_key,
        }
        self._store.add_failure(
            names.VARIANT,
            variant_name(asked),
            parent=self._sweep_id,
            tags=tags,
            params=parameters(start.config),
            reason=outcome.reason,
            details=outcome.details,
        )

    def _is_done(self, job: Job) -> bool:
        keys = {spec.evaluation_key for spec in job.spec.variants}
        return keys <= finished_variants(self._store, keys).keys()


def _retries(config: JobConfig, outcome: JobOutcome) -> int:
    if outcome.pruned:
        return 0
    if config.sweep.retries is not None:
        return config.sweep.retries
    return _RETRIES_IF_KILLED if outcome.killed else 0
