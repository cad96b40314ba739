"""Whether whoever makes a run is still there."""

import socket

import psutil

from segsweep.tracking import names
from segsweep.tracking.records import RunRecord


def process_tags() -> dict[str, str]:
    process = psutil.Process()
    return {
        names.HOST: socket.gethostname(),
        names.PID: str(process.pid),
        names.PROCESS_START: f"{process.create_time():.2f}",
    }


def maker_is_gone(record: RunRecord) -> bool:
    if record.tags.get(names.HOST) != socket.gethostname():
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
