"""Slots and their workers: order, replacement of what is lost, and an end to everything."""

import threading
import time
from pathlib import Path

import pytest
from small_jobs import job

from segsweep.engines.pool import JobTask, Pool, WorkerLost
from segsweep.outcome import JobOutcome


class Recorder:
    """Workers that note what they do; a job of width 13 kills its worker."""

    def __init__(self):
        self.started, self.closed, self.running, self.most = [], [], 0, 0
        self.lock = threading.Lock()

    def __call__(self, slot):
        self.started.append(slot)
        return self.Worker(self, slot)

    class Worker:
        def __init__(self, recorder, slot):
            self.recorder, self.slot = recorder, slot
            self.stop = threading.Event()

        def is_ready(self, seconds):
            return True

        def run(self, task):
            recorder = self.recorder
            with recorder.lock:
                recorder.running += 1
                recorder.most = max(recorder.most, recorder.running)
            was_stopped = self.stop.wait(task.config.seed / 100)
            with recorder.lock:
                recorder.running -= 1
            if was_stopped or task.config.model.width == 13:
                raise WorkerLost("it is gone")
            return JobOutcome(f"job {task.config.sweep.number}")

        def close(self):
            self.recorder.closed.append(self.slot)
            self.stop.set()


def tasks(*seconds_hundredths: int, width: int = 8) -> list[JobTask]:
    made = []
    for number, hundredths in enumerate(seconds_hundredths):
        config = job("float32", seed=hundredths)
        config.sweep.number = 0
        made.append(JobTask(_numbered(config, number, width), Path("/tmp"), Path("/tmp")))
    return made


def _numbered(config, number, width):
    from dataclasses import replace

    return replace(config, sweep=replace(config.sweep, number=number), model=replace(config.model, width=width))


def test_outcomes_come_in_the_order_of_the_tasks():
    outcomes = Pool(Recorder(), 3).run(tasks(9, 1, 5, 2, 7))
    assert [outcome.reason for outcome in outcomes] == [f"job {number}" for number in range(5)]


def test_no_more_jobs_run_at_once_than_there_are_slots_and_no_slot_waits():
    recorder = Recorder()
    Pool(recorder, 2).run(tasks(10, 5, 5, 5, 5))
    assert recorder.most == 2
    assert sorted(recorder.started) == [0, 1]


def test_a_lost_worker_costs_its_own_job_alone_and_is_replaced():
    recorder = Recorder()
    pool = Pool(recorder, 1)
    first, second, third = tasks(1, 1, 1)
    killer = JobTask(_numbered(second.config, 1, 13), second.folder, second.working_folder)
    outcomes = pool.run([first, killer, third])
    assert [outcome.killed for outcome in outcomes] == [False, True, False]
    assert recorder.started == [0, 0]


def test_workers_are_kept_from_one_call_to_the_next():
    recorder = Recorder()
    pool = Pool(recorder, 2)
    pool.run(tasks(1, 1))
    pool.run(tasks(1, 1))
    assert len(recorder.started) == 2
    pool.close()
    assert sorted(recorder.closed) == [0, 1]


def test_a_worker_without_a_place_takes_no_job_from_the_others():
    """As actors of a cluster that is too small for all of them."""

    class Crowded(Recorder):
        class Worker(Recorder.Worker):
            def is_ready(self, seconds):
                if self.slot:
                    self.stop.wait(seconds)
                return self.slot == 0

    recorder = Crowded()
    outcomes = Pool(recorder, 3).run(tasks(1, 1, 1, 1))
    assert [outcome.reason for outcome in outcomes] == [f"job {number}" for number in range(4)]
    assert sorted(recorder.closed) == [1, 2], "what waits for a place gives way to others"


def test_a_worker_that_cannot_be_started_costs_a_job_and_not_the_sweep():
    class Scarce(Recorder):
        def __call__(self, slot):
            if not self.started:
                self.started.append(slot)
                raise OSError("Cannot allocate memory")
            return super().__call__(slot)

    first, second = Pool(Scarce(), 1).run(tasks(1, 1))
    assert first.killed
    assert "Cannot allocate memory" in first.reason
    assert second.reason == "job 1"


def test_nothing_is_started_once_there_is_an_obstacle():
    began = time.monotonic()
    outcomes = Pool(Recorder(), 1).run(
        tasks(5, 5, 5), lambda: "time is over" if time.monotonic() - began > 0.02 else None
    )
    assert [outcome.started for outcome in outcomes] == [True, False, False]
    assert outcomes[1].reason == "time is over"


def test_an_interruption_ends_the_workers_first(monkeypatch):
    recorder = Recorder()
    pool = Pool(recorder, 2)

    def interrupt(self, timeout=None):
        time.sleep(0.05)
        raise KeyboardInterrupt

    monkeypatch.setattr("concurrent.futures.Future.result", interrupt)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        pool.run(tasks(900, 900, 900))
    assert time.monotonic() - began < 5
    assert sorted(recorder.closed) == [0, 1]
