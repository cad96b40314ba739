"""Launchers of Hydra, which may break for all jobs at once."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from small_jobs import dataset, job

from segsweep.config.schema import TrackingConfig
from segsweep.lineage.jobs import lineage
from segsweep.outcome import JobOutcome
from segsweep.sweep.launching import launch_with_hydra
from segsweep.sweep.running import Start
from segsweep.sweep.waves import Job
from segsweep.tracking import names
from segsweep.tracking.store import Store

VARIANTS = ("float32", "float16", "int8", "int16x8", "qat_int8")


@pytest.fixture
def store(tmp_path) -> Store:
    return Store.open(f"sqlite:///{tmp_path}/mlflow.db", "e")


def start(store: Store, number: int, attempt: int = 1) -> Start:
    tracking = TrackingConfig(uri=store.location.uri, experiment="e")
    variant = VARIANTS[number]
    spec = lineage(replace(job(variant), tracking=tracking), dataset())
    return Start(Job((f"quantization={variant}",), spec), "sweep", number, attempt)


def leave(store: Store, number: int, attempt: int, status: str, reason: str, kind: str = names.VARIANT, **tags: str):
    marks = {names.SWEEP_ID: "sweep", names.JOB: str(number), names.ATTEMPT: str(attempt), names.FAILURE: reason}
    run_id = store.create_run(kind, "w8", parent=None, tags={**marks, names.TRAINING_KEY: "key", **tags}, params={})
    store.finish(run_id, status)


class Breaking:
    """A launcher that breaks when it is given several jobs, after some of them have ended."""

    def __init__(self, meanwhile):
        self.alone, self.meanwhile = [], meanwhile

    def launch(self, overrides, initial_job_idx):
        if len(overrides) > 1:
            self.meanwhile()
            raise RuntimeError("a worker process was terminated")
        self.alone.append(initial_job_idx)
        return [SimpleNamespace(return_value=JobOutcome(None))]


def test_what_had_failed_when_the_launcher_broke_is_not_launched_once_more(store):
    def meanwhile():
        leave(store, 0, 2, "FAILED", "ValueError: no")
        leave(store, 1, 2, "FAILED", "loss is NaN", names.TRAINING)
        leave(store, 2, 2, "KILLED", "pruned: worse", names.TRAINING, **{names.PRUNE: "worse"})
        leave(store, 3, 1, "FAILED", "of the attempt before")
        leave(store, 4, 2, "KILLED", "its process is gone", names.TRAINING)

    launcher = Breaking(meanwhile)
    starts = [start(store, number, attempt=2) for number in range(5)]
    outcomes = launch_with_hydra(launcher)(starts, lambda: None)
    assert launcher.alone == [3, 4]
    assert outcomes == [
        JobOutcome("ValueError: no"),
        JobOutcome("training w8 failed: loss is NaN", "key"),
        JobOutcome("pruned: worse", "key", pruned=True),
        JobOutcome(None),
        JobOutcome(None),
    ]
