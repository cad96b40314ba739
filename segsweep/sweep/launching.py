"""How the attempts of a sweep are run: in this process, by segsweep's own pools, or by any launcher of Hydra."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from hydra.plugins.launcher import Launcher

from segsweep.config.schema import JobConfig
from segsweep.engines.pool import JobTask, Pool
from segsweep.errors import reason_of
from segsweep.job import run_job
from segsweep.outcome import JobOutcome
from segsweep.sweep.running import Launch, Obstacle, Start
from segsweep.tracking import names
from segsweep.tracking.location import locate
from segsweep.tracking.store import Store


@contextmanager
def launch_alone(config: JobConfig, folder: Path) -> Iterator[Launch]:
    """A launch for a single job: in this process, or in one of its own where a time limit may have to end it."""
    if config.sweep.timeout is None and config.sweep.retries is None:
        yield lambda starts, obstacle: [run_job(start.config, folder) for start in starts]
        return
    from segsweep.engines.local import local_pool

    with launch_on_pool(lambda: local_pool(1, config.training.threads), folder) as launch:
        yield launch


@contextmanager
def launch_on_pool(make_pool: Callable[[], Pool], folder: Path) -> Iterator[Launch]:
    """A launch on workers that take a job's settings as they are, without composing them anew.

    The pool is made when there is something to launch, and closed at the end.
    """
    with ExitStack() as stack:

        @lru_cache(maxsize=1)
        def pool() -> Pool:
            return stack.enter_context(closing(make_pool()))

        def launch(starts: Sequence[Start], obstacle: Obstacle) -> Sequence[JobOutcome]:
            return pool().run([_task(start, folder) for start in starts], obstacle) if starts else []

        yield launch


def _task(start: Start, folder: Path) -> JobTask:
    """The attempt as a worker takes it, which may stand in another folder."""
    tracking = replace(start.config.tracking, uri=locate(start.config.tracking.uri).uri)
    return JobTask(replace(start.config, tracking=tracking), folder.absolute(), Path.cwd())


def launch_with_hydra(launcher: Launcher) -> Launch:
    """A launch through a launcher of Hydra, which may break, as joblib's does for all jobs when one worker is killed.

    What has not failed before it broke is then launched one by one, so that only what kills its worker fails; of a job
    that is done, the runs are found. One that failed before it had a run fails once more.
    """

    def launch(starts: Sequence[Start], obstacle: Obstacle) -> Sequence[JobOutcome]:
        # What has been handed to such a launcher cannot be called back.
        reason = obstacle()
        if reason is not None:
            return [JobOutcome(reason, started=False) for _ in starts]
        try:
            return _launched(launcher, starts)
        except Exception:
            tracking = starts[0].config.tracking
            store = Store.open(tracking.uri, tracking.experiment, patience=tracking.patience)
            return [_failed(store, start) or _launched_alone(launcher, start) for start in starts]

    return launch


def _failed(store: Store, start: Start) -> JobOutcome | None:
    """How this attempt failed, or was given up, as its run says; None where it did not get so far."""
    tags = {names.SWEEP_ID: start.sweep_id, names.JOB: start.number, names.ATTEMPT: start.attempt}
    for run in store.search(" AND ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())):
        pruned = run.status == "KILLED" and names.PRUNE in run.tags
        if pruned or run.status == "FAILED":
            reason = run.tags.get(names.FAILURE, "its run says no more")
            if run.kind != names.TRAINING:
                return JobOutcome(reason)
            text = reason if pruned else f"training {run.name} failed: {reason}"
            return JobOutcome(text, run.tags.get(names.TRAINING_KEY), pruned=pruned)
    return None


def _launched_alone(launcher: Launcher, start: Start) -> JobOutcome:
    try:
        return _launched(launcher, [start])[0]
    except Exception as error:
        return JobOutcome(f"its worker was killed or broke ({reason_of(error)})", killed=True)


def _launched(launcher: Launcher, starts: Sequence[Start]) -> list[JobOutcome]:
    overrides = [
        [
            *start.job.overrides,
            f"++sweep.id={start.sweep_id}",
            f"++sweep.number={start.number}",
            f"++sweep.attempt={start.attempt}",
            f"++sweep.varying=[{','.join(start.varying)}]",
            f"++sweep.prune={str(start.config.sweep.prune).lower()}",
        ]
        for start in starts
    ]
    returns = launcher.launch(overrides, initial_job_idx=starts[0].number if starts else 0)
    return [each.return_value for each in returns]
