"""Whether whoever makes a run is still there: seen directly on the same host, by signs of life on others."""

import contextlib
import os
import socket
import threading
import time
from typing import Protocol

import psutil

from segsweep.tracking import names
from segsweep.tracking.records import RunRecord

HOST_VARIABLE = "SEGSWEEP_HOST"
"""Names this host where its own name is not unlike all others', as that of a container may be."""
_SILENT_AFTER = 3
"""Signs of life that must be missing before a run's maker is taken for dead."""


def host() -> str:
    """This host's name in the store."""
    return os.environ.get(HOST_VARIABLE) or socket.gethostname()


def process_tags(interval: float) -> dict[str, str]:
    """Tags that say which process makes a run, and how often it gives a sign of life (seconds)."""
    process = psutil.Process()
    tags = {
        names.HOST: host(),
        names.PID: str(process.pid),
        names.PROCESS_START: f"{process.create_time():.2f}",
        names.HEARTBEAT: f"0 {interval:g}",
    }
    job = os.environ.get("SLURM_JOB_ID")
    return {**tags, names.SCHEDULER_JOB: job} if job else tags


def is_here(record: RunRecord) -> bool:
    """Whether a process of this host makes, or made, the run."""
    return record.tags.get(names.HOST) == host()


def maker_is_gone(record: RunRecord) -> bool:
    """Whether the run was made by a process of this host that is no more; a reused pid is not mistaken for it."""
    if not is_here(record):
        return False
    try:
        process = psutil.Process(int(record.tags[names.PID]))
        # Half a second: the boot time that start times are relative to is rounded differently by different readers.
        same = abs(process.create_time() - float(record.tags[names.PROCESS_START])) < 0.5
        return not same or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except (KeyError, ValueError, psutil.AccessDenied):
        return False


class Watch:
    """Judges by this process's own clock whether makers on other hosts still give signs of life."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, float]] = {}

    def forget(self) -> None:
        """Start watching anew: while the store did not answer, nobody could give a sign."""
        self._seen.clear()

    def is_silent(self, record: RunRecord) -> bool:
        """Whether several signs of life are missing since this watch first saw the run's latest one."""
        sign = record.tags.get(names.HEARTBEAT, "")
        now = time.monotonic()
        latest, since = self._seen.get(record.run_id, (None, now))
        if latest != sign:
            self._seen[record.run_id] = sign, now
            return False
        return now - since > _SILENT_AFTER * _interval(sign)


class _Tagger(Protocol):
    def set_tag(self, run_id: str, key: str, value: str) -> object: ...


class Heartbeat:
    """Gives signs of life for the runs that this process makes, from a thread that lives as long as there are any."""

    def __init__(self, client: _Tagger, interval: float):
        """`interval` in seconds."""
        self.interval = interval
        self._client = client
        self._runs: set[str] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()

    def add(self, run_id: str) -> None:
        """The run is being made."""
        with self._lock:
            self._runs.add(run_id)
            if self._thread is None:
                self._wake.clear()
                self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
                self._thread.start()

    def discard(self, run_id: str) -> None:
        """The run has ended."""
        with self._lock:
            self._runs.discard(run_id)
            if not self._runs:
                self._wake.set()
                self._thread = None

    def _beat(self) -> None:
        count = 0
        wake = self._wake
        while not wake.wait(self.interval):
            count += 1
            for run_id in sorted(self._runs):
                # A server that does not answer, or a run that was deleted, is none of the heart's business.
                with contextlib.suppress(Exception):
                    self._client.set_tag(run_id, names.HEARTBEAT, f"{count} {self.interval:g}")


def _interval(sign: str) -> float:
    try:
        return float(sign.split()[1])
    except (IndexError, ValueError):
        return float("inf")
