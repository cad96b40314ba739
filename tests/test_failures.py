"""Jobs that fail beside jobs that do not, and combinations that cannot work."""

import json
from dataclasses import replace

import pytest
from test_sweep import TINY, store_of

import segsweep.models.table as table
from segsweep.cli import main
from segsweep.report.comparison import comparison, find_sweep

pytestmark = pytest.mark.slow


def test_a_job_that_fails_is_a_result_and_the_others_finish(workplace, capfd):
    assert main(["run", "-m", *TINY, "training.learning_rate=1e30,0.001", "quantization=float32,int8"]) == 1
    out, err = capfd.readouterr()
    assert "NonFiniteLossError" in err
    assert "FAILED" in out
    store = store_of(workplace)
    sweep = find_sweep(store, None)
    assert sweep.status == "FAILED"
    rows = comparison(store, sweep)
    assert list(rows["status"]) == ["FINISHED", "FINISHED", "FAILED", "FAILED"]
    assert rows[rows["status"] == "FAILED"]["accuracy"].isna().all()
    failed = [run for run in store.of_kind("training") if run.status == "FAILED"]
    assert len(failed) == 1, "a training that failed is not tried again by each job that needs it"
    assert "NonFiniteLossError" in failed[0].tags["segsweep.failure"]
    assert "Traceback" in store.artifacts.path(failed[0], "failure/traceback.txt").read_text()
    assert main(["report", "--format", "json"]) == 0
    assert json.loads(capfd.readouterr().out)[2]["accuracy"] is None


def test_an_axis_of_lists_has_a_column(workplace):
    assert main(["run", "-m", *TINY, "loss.class_weights=[1,2],[1,3]"]) == 0
    store = store_of(workplace)
    rows = comparison(store, find_sweep(store, None))
    assert list(rows["loss.class_weights"]) == ["[1, 2]", "[1, 3]"]


def test_an_axis_of_sums_has_a_column_for_each_term_that_varies(workplace):
    assert main(["run", "-m", *TINY, "loss=combined", "loss.terms={dice:1,focal:2},{dice:1,jaccard:0.5}"]) == 0
    store = store_of(workplace)
    rows = comparison(store, find_sweep(store, None))
    assert list(rows["loss.terms.focal"]) == [2, 0]
    assert list(rows["loss.terms.jaccard"]) == [0, 0.5]
    assert not {"loss.terms.dice", "loss.focal.gamma"} & set(rows.columns)
    assert {run.params["loss.terms.focal"] for run in store.of_kind("variant")} == {"2.0", "0.0"}


@pytest.fixture
def obstacle(monkeypatch):
    """A model that quantization-aware training cannot take."""
    hindered = replace(
        table.ARCHITECTURES["strided_unet"], quantization_obstacle=lambda config: "layer swish (Activation)"
    )
    monkeypatch.setitem(table.ARCHITECTURES, "strided_unet", hindered)


def test_a_grid_with_an_impossible_combination_is_refused(workplace, capfd, obstacle):
    assert main(["run", "-m", *TINY, "quantization=float32,qat_int8"]) == 2
    err = capfd.readouterr().err
    assert "layer swish" in err
    assert "sweep.skip_impossible=true" in err
    assert not (workplace / "mlruns" / "mlflow.db").exists()


def test_or_its_rows_are_skipped(workplace, obstacle):
    assert main(["run", "-m", *TINY, "quantization=float32,qat_int8", "sweep.skip_impossible=true"]) == 0
    store = store_of(workplace)
    rows = comparison(store, find_sweep(store, None))
    assert list(zip(rows["quantization"], rows["status"], strict=True)) == [
        ("float32", "FINISHED"),
        ("qat_int8", "SKIPPED"),
    ]


def test_jobs_with_other_numbers_of_threads_go_to_processes_of_their_own(workplace):
    assert main(["run", "-m", *TINY, "training.threads=1,2"]) == 0
    store = store_of(workplace)
    rows = comparison(store, find_sweep(store, None))
    assert list(rows["training.threads"]) == [1, 2]
    assert set(rows["status"]) == {"FINISHED"}


def test_a_plan_names_what_cannot_work_and_is_no_failure(workplace, capfd, obstacle):
    assert main(["plan", "-m", *TINY, "quantization=float32,qat_int8"]) == 0
    out = capfd.readouterr().out
    assert "cannot     1 combinations" in out
    assert "quantization=qat_int8: layer swish" in out


def test_a_job_that_takes_too_long_fails_with_what_it_was_doing(workplace, capfd):
    words = [word for word in TINY if "launcher" not in word]
    # Also without -m: the job then has a process of its own, which ends with the program.
    assert main(["run", *words, "training.epochs=100000", "sweep.timeout=25"]) == 1
    assert "longer than sweep.timeout=25 s" in capfd.readouterr().err
    store = store_of(workplace)
    (training,) = store.of_kind("training")
    assert training.status == "FAILED"
    assert "Thread" in store.artifacts.path(training, "failure/traceback.txt").read_text()
    # Given the time, it goes on where it was.
    assert main(["run", *words, "training.epochs=100000", "sweep.timeout=20"]) == 1
    (training,) = store.of_kind("training")
    steps = [step for step, _ in store.history(training.run_id, "train/loss")]
    assert len(steps) == len(set(steps))


def test_a_job_that_exits_is_a_failure_like_any_other(workplace, capfd, monkeypatch):
    (workplace / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if '--multiprocessing-fork' in sys.orig_argv:\n"
        "    import numpy\n"
        "    numpy.savez_compressed = lambda *args, **kwargs: os._exit(7)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(workplace))
    words = [word for word in TINY if "launcher" not in word]
    assert main(["run", "-m", *words, "sweep.workers=1"]) == 1
    assert "exit status 7" in capfd.readouterr().err
    store = store_of(workplace)
    variants = store.of_kind("variant")
    assert [run.status for run in variants] == ["FAILED", "FAILED"], "a lost worker's job is tried once more"
    assert sorted(run.tags["segsweep.attempt"] for run in variants) == ["1", "2"]
    assert len(store.of_kind("training")) == 1


def test_a_grid_that_runs_out_of_time_is_finished_the_next_time(workplace, capfd):
    words = ["run", "-m", *TINY, "seed=0,1"]
    assert main([*words, "sweep.max_hours=1e-6"]) == 0
    store = store_of(workplace)
    rows = comparison(store, find_sweep(store, None))
    assert set(rows["status"]) == {"SKIPPED"}
    assert main(words) == 0
    rows = comparison(store, find_sweep(store, None))
    assert set(rows["status"]) == {"FINISHED"}
