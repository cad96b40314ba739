"""The comparison in Python is that of the csv."""

import inspect
import io
import subprocess
import sys

import pandas as pd
import pytest
from made_sweeps import Row, make_sweep, scored

import segsweep
from segsweep.cli import main
from segsweep.errors import SegsweepError
from segsweep.report.loading import load_comparison
from segsweep.tracking.store import Store


@pytest.fixture(scope="module")
def uri(tmp_path_factory) -> str:
    uri = f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"
    store = Store.open(uri, "segsweep")
    make_sweep(store, [Row(width=4, metrics=scored(0.6))])
    rows = [
        Row(metrics=scored(0.7)),
        Row("int8", metrics=scored(0.69, -0.01, 0.005)),
        Row("float16", status="FAILED", listed="FAILED", reason="no"),
    ]
    make_sweep(store, rows)
    make_sweep(Store.open(uri, "other"), [Row(width=99, metrics=scored(0.5))])
    return uri


def test_equal_to_the_csv(uri, capsys):
    assert main(["report", "--tracking-uri", uri, "--format", "csv"]) == 0
    csv = pd.read_csv(io.StringIO(capsys.readouterr().out))
    table = segsweep.load_comparison(uri)
    assert list(table["quantization"]) == ["float32", "float16", "int8"]
    pd.testing.assert_frame_equal(table, csv, check_dtype=False)


def test_the_store_of_the_environment_a_sweep_and_an_experiment(uri, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert len(segsweep.load_comparison()) == 3
    store = Store.open_to_read(uri, "segsweep")
    first = store.of_kind("sweep")[-1].run_id
    assert list(segsweep.load_comparison(sweep=first[:12])["width"]) == [4]
    assert list(segsweep.load_comparison(experiment="other")["width"]) == [99]


def test_what_is_not_there_is_said(uri, tmp_path, monkeypatch):
    with pytest.raises(SegsweepError, match="no experiment nothing in"):
        segsweep.load_comparison(uri, experiment="nothing")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SegsweepError, match="no such store"):
        segsweep.load_comparison()


def test_both_doors_have_the_same_parameters():
    of_package, of_module = (
        {name: (each.kind, each.default) for name, each in inspect.signature(function).parameters.items()}
        for function in (segsweep.load_comparison, load_comparison)
    )
    assert of_package == of_module


def test_import_segsweep_stays_light():
    script = "import sys, segsweep; print(*sorted({'pandas', 'mlflow', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
