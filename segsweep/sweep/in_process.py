"""Running jobs one after the other in this process."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from segsweep.job import JobOutcome, run_job
from segsweep.sweep.running import Launch
from segsweep.sweep.waves import Job


def launch(folder: Path) -> Launch:
    """A launch that starts no other process; progress and logs go into `folder`."""

    def run_here(jobs: Sequence[Job], sweep_id: str, first_number: int) -> Sequence[JobOutcome]:
        outcomes = []
        for number, job in enumerate(jobs, start=first_number):
            config = job.spec.config
            outcomes.append(run_job(replace(config, sweep=replace(config.sweep, id=sweep_id)), folder, number))
        return outcomes

    return run_here
