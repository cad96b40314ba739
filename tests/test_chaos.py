"""Kills at random moments: whatever dies, the sweep that is started again ends as if nothing had happened.

`SEGSWEEP_TEST_KILLS=30` kills as often as that; a few do in everyday tests.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest

from segsweep.report.comparison import comparison, find_sweep
from segsweep.tracking import names
from segsweep.tracking.store import Store

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("SEGSWEEP_TEST_KILLS", "5"))
WORDS = [
    *("data.size=32", "data.train_images=12", "data.validation_images=4", "data.test_images=6"),
    *("model.depth=1", "model.width=3", "training.epochs=40", "training.batch_size=4", "quantization.epochs=20"),
    *("training.learning_rate=0.001,0.003", "quantization=float32,int8,qat_int8"),
    *("evaluation.latency.enabled=false", "sweep.workers=2", "sweep.retries=3"),
]


def start(folder: Path) -> "subprocess.Popen[bytes]":
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    with (folder / "err.txt").open("a") as err:
        return subprocess.Popen(
            [sys.executable, "-m", "segsweep.cli", "run", "-m", *WORDS],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=err,
            env=environment,
        )


def store_of(folder: Path) -> Store:
    return Store.open_to_read(f"sqlite:///{folder}/mlruns/mlflow.db", "segsweep")


def table(folder: Path) -> pd.DataFrame:
    store = store_of(folder)
    rows = comparison(store, find_sweep(store, None))
    return rows.drop(columns=["run_id", "train_s", "latency_p50_ms"])


def test_the_table_is_that_of_a_sweep_that_nobody_disturbed(tmp_path):
    calm, wild = tmp_path / "calm", tmp_path / "wild"
    calm.mkdir()
    wild.mkdir()
    began = time.monotonic()
    assert start(calm).wait(600) == 0, (calm / "err.txt").read_text()
    whole = time.monotonic() - began

    dice = random.Random(20)
    kills = {"sweep": 0, "worker": 0}
    process = start(wild)
    while sum(kills.values()) < KILLS:
        try:
            # Most of the time goes into starting; what is done stays done.
            process.wait(dice.uniform(0.2, 0.8) * whole)
        except subprocess.TimeoutExpired:
            workers = [each for each in psutil.Process(process.pid).children(recursive=True) if is_worker(each)]
            if workers and dice.random() < 0.5:
                dice.choice(workers).send_signal(signal.SIGKILL)
                kills["worker"] += 1
                continue
            process.kill()
            process.wait(30)
            kills["sweep"] += 1
            process = start(wild)
            continue
        # It ended before its turn came: from the start, with an eye on what the next one makes of it.
        if sum(kills.values()) < KILLS:
            forget_something(wild, dice)
            process = start(wild)
    assert process.wait(900) in (0, 1), (wild / "err.txt").read_text()
    assert start(wild).wait(600) == 0, (wild / "err.txt").read_text()

    pd.testing.assert_frame_equal(table(wild), table(calm))
    store = store_of(wild)
    assert not store.search("attributes.status = 'RUNNING'")
    for kind, key in ((names.TRAINING, names.TRAINING_KEY), (names.VARIANT, names.EVALUATION_KEY)):
        finished = [run.tags[key] for run in store.of_kind(kind) if run.is_finished]
        assert len(finished) == len(set(finished))
        undisturbed = {run.tags[key] for run in store_of(calm).of_kind(kind)}
        assert set(finished) == undisturbed
    assert kills["sweep"] + kills["worker"] >= KILLS


def is_worker(process: psutil.Process) -> bool:
    """Whether it is one, and alive."""
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:
        return False


def forget_something(folder: Path, dice: random.Random) -> None:
    """Delete a training and all that hangs under it, as a person may in the UI, so that there is something to do."""
    store = store_of(folder)
    training = dice.choice([run for run in store.of_kind(names.TRAINING) if run.is_finished])
    doomed = [training.run_id]
    for run_id in doomed:
        doomed += [
            run.run_id for run in store.search(f"tags.`{names.PARENT_RUN}` = '{run_id}'") if run.run_id not in doomed
        ]
    for run_id in doomed:
        store._client.delete_run(run_id)
