"""Who is alive: on this host by its process, on another by its signs of life and the observer's own clock."""

import time

import pytest

from segsweep.tracking import liveness, names
from segsweep.tracking.liveness import HOST_VARIABLE, Heartbeat, Watch
from segsweep.tracking.store import Store


@pytest.fixture
def uri(tmp_path) -> str:
    return f"sqlite:///{tmp_path}/mlflow.db"


def begin(store: Store, **tags: str) -> str:
    return store.create_run(names.VARIANT, "a run", parent=None, tags=tags, params={})


def test_a_run_of_another_host_is_dead_once_its_signs_cease(uri, monkeypatch):
    monkeypatch.setenv(HOST_VARIABLE, "elsewhere")
    maker = Store.open(uri, "e", heartbeat=0.1)
    run_id = begin(maker)
    monkeypatch.setenv(HOST_VARIABLE, "here")
    observer = Store.open(uri, "e")
    with maker.ending(run_id):
        deadline = time.monotonic() + 1.5
        while time.monotonic() < deadline:
            assert not observer.is_abandoned(observer.get(run_id))
            time.sleep(0.05)
        assert int(observer.get(run_id).tags[names.HEARTBEAT].split()[0]) > 3
        maker._heartbeat.discard(run_id)
        deadline = time.monotonic() + 20
        while not observer.is_abandoned(observer.get(run_id)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert [record.run_id for record in observer.bury_the_dead()] == [run_id]
        assert observer.get(run_id).status == "KILLED"


def test_the_first_look_at_another_hosts_run_says_nothing(uri, monkeypatch):
    monkeypatch.setenv(HOST_VARIABLE, "elsewhere")
    begin(Store.open(uri, "e", heartbeat=0.001))
    monkeypatch.setenv(HOST_VARIABLE, "here")
    assert Store.open(uri, "e").bury_the_dead() == []


def test_a_clock_that_jumps_kills_nobody(uri, monkeypatch):
    monkeypatch.setenv(HOST_VARIABLE, "elsewhere")
    run_id = begin(Store.open(uri, "e"))
    monkeypatch.setenv(HOST_VARIABLE, "here")
    observer = Store.open(uri, "e")
    observer.is_abandoned(observer.get(run_id))
    monkeypatch.setattr(time, "time", lambda: 4e9)
    assert not observer.is_abandoned(observer.get(run_id))


def test_what_the_jobs_of_a_living_sweep_left_is_not_buried_by_others(uri):
    store = Store.open(uri, "e")
    sweep_id = store.create_run(names.SWEEP, "sweep", parent=None, tags={}, params={})
    store.log(sweep_id, tags={names.SWEEP_ID: sweep_id})
    left = begin(store, **{names.SWEEP_ID: sweep_id})
    store.log(left, tags={names.PID: "999999999"})
    assert store.bury_the_dead() == []
    store.log(sweep_id, tags={names.PID: "999999999"})
    assert {record.run_id for record in store.bury_the_dead()} == {sweep_id, left}


def test_a_heart_stops_with_its_last_run():
    class Client:
        def set_tag(self, run_id, key, value):
            raise ConnectionError("nobody there")

    heart = Heartbeat(Client(), 0.01)
    heart.add("a")
    heart.add("b")
    thread = heart._thread
    time.sleep(0.1)
    heart.discard("a")
    assert thread.is_alive(), "what cannot be sent does not stop it"
    heart.discard("b")
    thread.join(5)
    assert not thread.is_alive()
    heart.add("c")
    assert heart._thread is not thread
    heart.discard("c")


def test_a_scheduler_job_is_noted(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    assert liveness.process_tags(60)[names.SCHEDULER_JOB] == "4711"


def test_unreadable_signs_are_taken_for_life():
    class Record:
        run_id, tags = "a", {names.HEARTBEAT: "odd"}

    watch = Watch()
    assert not watch.is_silent(Record())
    time.sleep(0.05)
    assert not watch.is_silent(Record())
