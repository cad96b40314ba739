"""In what order the jobs of a sweep run.

Hydra's product order puts the variants of one training next to each other, so workers side by side would wait for,
or repeat, the same training. Here one job for each training goes first; the others find the weights in the store.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from segsweep.lineage.specs import JobSpec


@dataclass(frozen=True)
class Job:
    """One point of a sweep."""

    overrides: tuple[str, ...]
    """What makes it this point, as given to Hydra."""
    spec: JobSpec = field(repr=False)
    equal: tuple[tuple[str, ...], ...] = ()
    """The overrides of other points that come to the same."""


def waves(jobs: Sequence[Job], trained: Collection[str]) -> list[list[Job]]:
    """Divide jobs into waves, each to start when the one before has ended; long jobs first in each.

    1. one job for each float training that is not done yet, the cheapest variant of those asked for; those that learn
       from one of these in a wave, or several, of their own behind it;
    2. one job for each fine-tune that does not start from another of these, and all that need no fine-tune;
    3. the others.

    Args:
        jobs: what is to be done.
        trained: keys of the trainings that are done.
    """
    done = set(trained)
    floats = []
    while wave := _one_for_each_float(sorted(jobs, key=lambda job: len(job.spec.trainings)), done):
        floats.append(wave)
    first = [job for wave in floats for job in wave]
    rest = [job for job in jobs if job not in first]
    before = frozenset(done)
    finetunes = _one_for_each_finetune(rest, done)
    ready = [job for job in rest if all(training.key in before for training in job.spec.trainings)]
    second = finetunes + ready
    third = [job for job in rest if job not in second]
    return [sorted(wave, key=_cost, reverse=True) for wave in (*floats, second, third) if wave]


def _one_for_each_float(jobs: Sequence[Job], done: set[str]) -> list[Job]:
    """The first job that needs each float training and waits for no other job's; what it trains is added to `done`."""
    before, chosen = frozenset(done), []
    for job in jobs:
        missing = {
            training.key
            for training in job.spec.trainings
            if training.kind == "float" and training.key not in before
        }  # fmt: skip
        if missing and not missing & done:
            chosen.append(job)
            done.update(training.key for training in job.spec.trainings)
    return chosen


def _one_for_each_finetune(jobs: Sequence[Job], done: set[str]) -> list[Job]:
    """The first job that asks for each fine-tune, but those that start from what another one makes.

    What they train is added to `done`. Jobs that share no more than a control go side by side.
    """
    before, chosen = frozenset(done), []
    for job in sorted(jobs, key=lambda job: len(job.spec.trainings)):
        training = job.spec.asked.training
        starts = training.parent.key if training.parent is not None else ""
        if training.parent is not None and training.key not in done and starts not in done - before:
            chosen.append(job)
            done.update(each.key for each in job.spec.trainings)
    return chosen


def _cost(job: Job) -> tuple[int, bool, int]:
    """Orders jobs by how long they will take: fine-tunes, then 16-bit activations (slow on a host), then width."""
    spec = job.spec
    return len(spec.trainings), spec.asked.variant.name == "int16x8", spec.config.model.width
