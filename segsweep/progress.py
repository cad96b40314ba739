"""How work says how far it is: small files that whoever watches may read, written whole or not at all."""

import json
import os
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

_SHORTEST_PAUSE = 0.2


@dataclass(frozen=True)
class JobProgress:
    """How far one job is."""

    number: int
    """Of the job in the order of their starts, from 0."""
    job: str
    """The job's name."""
    state: str = "running"
    """`running`, `done`, `failed` or `pruned`."""
    stage: str = "starting"
    """What it is doing, in a word or two."""
    done: int = 0
    """Epochs or images of the stage that are done."""
    total: int = 0
    """Epochs or images of the stage; 0 where it has no length."""
    loss: float | None = None
    """Training loss of the last epoch."""
    seconds_left: float | None = None
    """Until the stage ends, if it has a length."""
    reason: str | None = None
    """Why it failed."""
    updated: float = field(default=0.0)
    """Seconds since 1970."""


class Reporter:
    """Keeps the progress of one job in a file; with no file it does nothing."""

    def __init__(self, folder: Path | None, number: int, job: str):
        self._path = folder / f"{number:05d}.json" if folder is not None else None
        self._progress = JobProgress(number, job)
        self._written = 0.0
        self._stage_began = time.monotonic()
        self._write()

    def stage(self, name: str, total: int = 0) -> None:
        """A new stage begins."""
        self._stage_began = time.monotonic()
        self._progress = replace(self._progress, stage=name, done=0, total=total, loss=None, seconds_left=None)
        self._write()

    def step(self, done: int, loss: float | None = None, seconds_left: float | None = None) -> None:
        """`done` epochs or images of the stage are behind us."""
        if seconds_left is None and done:
            seconds_left = (time.monotonic() - self._stage_began) / done * (self._progress.total - done)
        self._progress = replace(self._progress, done=done, loss=loss, seconds_left=seconds_left)
        if time.monotonic() - self._written >= _SHORTEST_PAUSE:
            self._write()

    def end(self, reason: str | None = None, *, pruned: bool = False) -> None:
        """The job is over, well or with a reason why not; `pruned` where it was given up on purpose."""
        state = "pruned" if pruned else "failed" if reason else "done"
        self._progress = replace(self._progress, state=state, stage="", reason=reason)
        self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        if self._path is None:
            return
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps(asdict(replace(self._progress, updated=time.time()))), encoding="utf-8")
        os.replace(temporary, self._path)


def end_lost(folder: Path, number: int, reason: str) -> None:
    """Say in place of a job that cannot say it any more that it failed."""
    for job in read_progress(folder):
        if job.number == number:
            reporter = Reporter(folder, number, job.job)
            reporter.end(reason)


def read_progress(folder: Path) -> list[JobProgress]:
    """The progress of all jobs that report into `folder`, in the order of their files' names."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(JobProgress(**json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError, TypeError):
            continue
    return found
