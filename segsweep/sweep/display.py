"""What the terminal shows while a sweep runs: a live table, or plain lines where there is no terminal."""

import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import psutil
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from segsweep.durations import duration
from segsweep.progress import JobProgress, read_progress

_SECONDS_BETWEEN_LOOKS = 0.25
_SECONDS_BETWEEN_LINES = 30.0


class SweepDisplay:
    """Shows the jobs that report into a folder, from a thread of its own."""

    def __init__(self, folder: Path, total: int, *, batches_to_come: bool = False):
        """`total` jobs at most, if they come in batches."""
        self._batches_to_come = batches_to_come
        self._folder = folder
        self._total = total
        self._listed = 0
        self._cached = 0
        # A copy of standard error, since the jobs of this process may be sent elsewhere meanwhile.
        self._stream = os.fdopen(os.dup(sys.stderr.fileno() if _has_descriptor() else 2), "w", encoding="utf-8")
        self._console = Console(file=self._stream)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._began = time.monotonic()
        self._note = ""

    def __enter__(self) -> "SweepDisplay":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._stream.close()

    def batch(self, jobs: int, cached: int) -> None:
        """So many more jobs are to be done, of which `cached` were found done."""
        self._listed += jobs
        # Points that come to the same are one job.
        self._total = max(self._listed, self._total if self._batches_to_come else 0)
        self._cached += cached

    def note(self, text: str) -> None:
        """What the sweep itself is doing."""
        self._note = text

    def _watch(self) -> None:
        if self._console.is_terminal:
            with Live(console=self._console, auto_refresh=False, transient=True) as live:
                for jobs in self._looks():
                    live.update(self._table(jobs), refresh=True)
        else:
            self._print_lines()

    def _looks(self) -> Iterator[list[JobProgress]]:
        while not self._stop.wait(_SECONDS_BETWEEN_LOOKS):
            yield read_progress(self._folder)

    def _table(self, jobs: list[JobProgress]) -> Group:
        over = [job for job in jobs if job.state != "running"]
        failed = sum(job.state == "failed" for job in jobs)
        running = [job for job in jobs if job.state == "running"]
        done = self._cached + len(over)
        head = Table.grid(padding=(0, 1))
        head.add_row(
            ProgressBar(total=max(self._total, 1), completed=done, width=30),
            Text(f"{done}/{self._total} jobs"),
            Text(f"{self._cached} cached", style="dim"),
            Text(f"{failed} failed", style="bold red" if failed else "dim"),
            Text(self._time_left(len(over)), style="cyan"),
            Text(_room(self._folder), style="dim"),
            Text(self._note, style="dim"),
        )
        table = Table.grid(padding=(0, 2))
        for job in running:
            share = ProgressBar(total=max(job.total, 1), completed=job.done, width=12) if job.total else Text("")
            table.add_row(Text(f"  {job.job}"), Text(job.stage, style="dim"), share, Text(_details(job)))
        return Group(head, table)

    def _print_lines(self) -> None:
        known: dict[str, str] = {}
        spoken: dict[str, float] = {}
        for jobs in self._looks():
            self._print_changes(jobs, known, spoken)
        self._print_changes(read_progress(self._folder), known, spoken)

    def _print_changes(self, jobs: list[JobProgress], known: dict[str, str], spoken: dict[str, float]) -> None:
        over = sum(job.state != "running" for job in jobs)
        for job in jobs:
            number = self._cached + job.number + 1
            mark = f"{job.state} {job.stage}" if "training" in job.stage else job.state
            name = f"{number} {job.job}"
            now = time.monotonic()
            is_due = job.state == "running" and now - spoken.get(name, now) >= _SECONDS_BETWEEN_LINES
            if known.get(name) == mark and not is_due:
                continue
            known[name], spoken[name] = mark, now
            ended = {"done": "done", "failed": f"FAILED: {job.reason}", "pruned": job.reason or ""}
            what = ended.get(job.state, f"{job.stage} {_details(job)}")
            left = f" [{self._cached + over}/{self._total} jobs{self._time_left(over, ', ')}]"
            self._console.print(
                f"job {number}/{self._total} {job.job}: {what.strip()}{left}",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )

    def _time_left(self, over: int, before: str = "") -> str:
        left = self._total - self._cached - over
        if not over or not left:
            return ""
        return f"{before}about {duration((time.monotonic() - self._began) / over * left)} left"


def _room(folder: Path) -> str:
    """Free disk space where the sweep writes, and free memory."""
    disk, memory = shutil.disk_usage(folder).free, psutil.virtual_memory().available
    return f"free: disk {disk / 2**30:.0f} GiB, memory {memory / 2**30:.1f} GiB"


def _details(job: JobProgress) -> str:
    if not job.total:
        return ""
    parts = [f"{job.done}/{job.total}"]
    if job.loss is not None:
        parts.append(f"loss {job.loss:.3f}")
    if job.seconds_left is not None and job.done < job.total:
        parts.append(f"{duration(job.seconds_left)} left")
    return ", ".join(parts)


def _has_descriptor() -> bool:
    try:
        sys.stderr.fileno()
    except (OSError, ValueError):
        return False
    return True


@contextmanager
def showing(folder: Path, total: int, *, batches_to_come: bool) -> Iterator[SweepDisplay]:
    """A display around the work of a sweep, whose jobs report into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with SweepDisplay(folder, total, batches_to_come=batches_to_come) as display:
        yield display
