"""Attempts at jobs, and what becomes of the runs of those that were lost."""

import pytest
from small_jobs import dataset, job

from segsweep.config.schema import SweepConfig
from segsweep.job import hang_file
from segsweep.lineage.jobs import lineage
from segsweep.outcome import JobOutcome
from segsweep.sweep.budget import Budget
from segsweep.sweep.running import Runner
from segsweep.sweep.waves import Job
from segsweep.tracking import names
from segsweep.tracking.store import Store


@pytest.fixture
def store(tmp_path) -> Store:
    return Store.open(f"sqlite:///{tmp_path}/mlflow.db", "e")


def jobs(*variants: str, **sweep) -> list[Job]:
    return [
        Job((f"quantization={name}",), lineage(job(name, sweep=SweepConfig(**sweep)), dataset())) for name in variants
    ]


class Launch:
    """Answers with the outcomes given for each attempt, and notes what was launched."""

    def __init__(self, *rounds, then=lambda start: None):
        self.rounds, self.seen, self.then = list(rounds), [], then

    def __call__(self, starts, obstacle):
        self.seen.append([(start.job.spec.asked.variant.name, start.number, start.attempt) for start in starts])
        if (reason := obstacle()) is not None:
            return [JobOutcome(reason, started=False) for _ in starts]
        for start in starts:
            self.then(start)
        return self.rounds.pop(0)[: len(starts)] if self.rounds else [JobOutcome(None) for _ in starts]


def run(store, launch, some_jobs, tmp_path, hours=None):
    return Runner(store, "sweep", launch, tmp_path, Budget(hours)).run(some_jobs, set())


KILLED = JobOutcome("its worker was killed (SIGKILL)", killed=True)
RAISED = JobOutcome("ValueError: no", details="Traceback ... ValueError: no")


def test_a_killed_job_has_one_more_attempt(store, tmp_path):
    launch = Launch([KILLED])
    assert run(store, launch, jobs("float32"), tmp_path) == {}
    assert launch.seen == [[("float32", 0, 1)], [("float32", 0, 2)]]


def test_a_job_that_raises_has_none(store, tmp_path):
    launch = Launch([RAISED])
    failures = run(store, launch, jobs("float32"), tmp_path)
    assert [failure.reason for failure in failures.values()] == ["ValueError: no"]
    assert len(launch.seen) == 1


@pytest.mark.parametrize(("retries", "outcome"), [(0, KILLED), (2, RAISED), (2, KILLED)])
def test_retries_can_be_set(store, tmp_path, retries, outcome):
    launch = Launch(*[[outcome]] * 9)
    assert run(store, launch, jobs("float32", retries=retries), tmp_path)
    assert [attempt for ((_, _, attempt),) in launch.seen] == list(range(1, retries + 2))


def test_each_failed_attempt_is_one_failed_run_with_reason_and_traceback(store, tmp_path):
    run(store, Launch(*[[RAISED]] * 2), jobs("float32", retries=1), tmp_path)
    runs = store.of_kind(names.VARIANT)
    assert [each.status for each in runs] == ["FAILED", "FAILED"]
    assert {each.tags[names.ATTEMPT] for each in runs} == {"1", "2"}
    assert {each.tags[names.FAILURE] for each in runs} == {"ValueError: no"}
    assert "ValueError" in store.artifacts.path(runs[0], names.FAILURE_FILE).read_text()


def test_what_a_lost_worker_was_making_is_failed_and_no_second_run_says_so(store, tmp_path):
    def begin(start):
        tags = {names.SWEEP_ID: "sweep", names.JOB: str(start.number), names.ATTEMPT: str(start.attempt)}
        key = start.job.spec.trainings[0].key
        store.create_run(names.TRAINING, "t", parent=None, tags={**tags, names.TRAINING_KEY: key}, params={})

    failures = run(store, Launch([KILLED], [KILLED], then=begin), jobs("float32"), tmp_path)
    assert [each.status for each in store.of_kind(names.TRAINING)] == ["FAILED", "FAILED"]
    assert store.of_kind(names.VARIANT) == []
    assert all("SIGKILL" in failure.reason for failure in failures.values())


def test_dependants_of_a_lost_training_are_not_started_and_say_which_it_was(store, tmp_path):
    def begin(start):
        tags = {names.SWEEP_ID: "sweep", names.JOB: str(start.number), names.ATTEMPT: "1"}
        store.create_run(
            names.TRAINING,
            "t",
            parent=None,
            tags={**tags, names.TRAINING_KEY: start.job.spec.trainings[0].key},
            params={},
        )

    some = jobs("float32", "int8", "float16", retries=0)
    launch = Launch([KILLED], then=begin)
    failures = run(store, launch, some, tmp_path)
    assert len(launch.seen) == 1
    assert len(failures) == 3
    assert {failure.reason for failure in failures.values()} == {f"training t failed: {KILLED.reason}"}


def test_a_job_that_passed_its_time_limit_says_so_and_is_not_tried_again(store, tmp_path):
    path = hang_file(tmp_path, 0)
    path.parent.mkdir(parents=True)
    path.write_text("Timeout!\nThread 0x0\n  File 'x.py', line 1 in hang\n")
    launch = Launch([KILLED])
    failures = run(store, launch, jobs("float32", timeout=5.0), tmp_path)
    assert [failure.reason for failure in failures.values()] == ["it took longer than sweep.timeout=5 s"]
    assert len(launch.seen) == 1
    (left,) = store.of_kind(names.VARIANT)
    assert "in hang" in store.artifacts.path(left, names.FAILURE_FILE).read_text()


def test_jobs_whose_turn_comes_after_the_time_is_over_are_no_failures(store, tmp_path):
    failures = run(store, Launch(), jobs("float32", "int8"), tmp_path, hours=1e-9)
    assert {failure.started for failure in failures.values()} == {False}
    assert all("sweep.max_hours" in failure.reason for failure in failures.values())
    assert store.of_kind(names.VARIANT) == []


def test_numbers_go_on_from_wave_to_wave(store, tmp_path):
    some = jobs("float32", "int8", "float16")
    launch = Launch()
    run(store, launch, some, tmp_path)
    assert sorted(number for wave in launch.seen for _, number, _ in wave) == [0, 1, 2]
    assert launch.seen[0] == [("float32", 0, 1)]
