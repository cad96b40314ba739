"""From the points of a sweep to its jobs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from segsweep.config.data_schema import DataConfig
from segsweep.config.model_schema import ModelConfig
from segsweep.config.schema import JobConfig
from segsweep.data.sources import load_dataset, remarks
from segsweep.data.support import support_notes
from segsweep.data.view import NOTE, is_open
from segsweep.errors import ConfigError
from segsweep.lineage.jobs import lineage
from segsweep.models.table import quantization_obstacle
from segsweep.quantization.training_kinds import BY_CHANNEL, BY_RECIPE, BY_START, BY_TENSOR, TRAINING_KINDS
from segsweep.sweep.waves import Job


@dataclass(frozen=True)
class Point:
    """A combination of overrides and the settings they compose to."""

    overrides: tuple[str, ...]
    config: JobConfig = field(repr=False)


@dataclass(frozen=True)
class Impossible:
    """A job that cannot work."""

    job: Job
    reason: str


def data_remarks(points: Sequence[Point]) -> list[str]:
    """What users of these points should know of their data, each sentence once."""
    found: dict[str, None] = {}
    seen: list[tuple[DataConfig, bool]] = []
    for point in points:
        augmentation_follows = is_open(point.config.training.augmentation)
        if (point.config.data, augmentation_follows) not in seen:
            seen.append((point.config.data, augmentation_follows))
            dataset = load_dataset(point.config.data)
            view = [NOTE] if augmentation_follows and dataset.view.is_guess else []
            found |= dict.fromkeys([*remarks(dataset), *support_notes(dataset), *view])
    return list(found)


def data_notes(points: Sequence[Point]) -> list[str]:
    """What the data of these points cannot show, each sentence once."""
    found: dict[str, None] = {}
    seen: list[DataConfig] = []
    for point in points:
        if point.config.data not in seen:
            seen.append(point.config.data)
            found |= dict.fromkeys(support_notes(load_dataset(point.config.data)))
    return list(found)


OBSTACLES: Mapping[str | None, Callable[[ModelConfig], str | None]] = {
    None: lambda model: None,
    BY_CHANNEL: quantization_obstacle,
    BY_TENSOR: quantization_obstacle,
    BY_RECIPE: quantization_obstacle,
    BY_START: quantization_obstacle,
}
"""Why a training that rounds so cannot be done to a model, by `TrainingKind.rounds`."""


def jobs_of(points: Sequence[Point]) -> tuple[list[Job], list[Impossible]]:
    """The jobs of the points, equal ones merged, and apart from them those that cannot work.

    Raises:
        ConfigError: the points belong to more than one store, or a setting does not fit the data.
        DataError: the data cannot be read or used.
    """
    where = {(point.config.tracking.uri, point.config.tracking.experiment) for point in points}
    if len(where) > 1:
        raise ConfigError("tracking: the jobs of one sweep must go to one store and experiment")
    jobs: dict[str, Job] = {}
    impossible: dict[str, Impossible] = {}
    for point in points:
        spec = lineage(point.config, load_dataset(point.config.data))
        if spec.key in jobs:
            job = jobs[spec.key]
            jobs[spec.key] = replace(job, equal=(*job.equal, point.overrides))
            continue
        if spec.key in impossible:
            continue
        job = Job(point.overrides, spec)
        obstacle = OBSTACLES[TRAINING_KINDS[spec.asked.training.kind].rounds](point.config.model)
        if obstacle is None:
            jobs[spec.key] = job
        else:
            impossible[spec.key] = Impossible(job, obstacle)
    return list(jobs.values()), list(impossible.values())
