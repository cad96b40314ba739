"""Real Sentinel-2 crops of an odd size, where they lie beside the checkout."""

import io
import json

import numpy as np
import pytest

from segsweep.cli import main
from segsweep.report.comparison import comparison, find_sweep
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.tflite.metadata import read
from segsweep.tracking.store import Store

pytestmark = pytest.mark.slow


def test_belgium_crops_of_101_pixels(workplace, shared_data, capsys):
    folder = shared_data / "s2_cropland_belgium_101"
    with np.load(folder / "test.npz") as arrays:
        # A corner of the test place is the training place: it must not count.
        labels = np.where(arrays["VALID"] == 1, arrays["Y"], 255)
        np.savez("test.npz", X=arrays["X"], Y=labels)
    data = [f"data.train={folder / 'train.npz'}", "data.test=test.npz", "data.classes=[other,cropland]"]
    small = ["model.width=4", "training.epochs=3", "evaluation.latency.enabled=false", "hydra/launcher=basic"]
    words = ["data=npz", *data, "data.ignore_label=255", "data.groups=dates", *small, "quantization=float32,int8"]
    assert main(["run", "-m", *words]) == 0
    store = Store.open_to_read("sqlite:///mlruns/mlflow.db", "segsweep")
    table = comparison(store, find_sweep(store, None))
    assert list(table["quantization"]) == ["float32", "int8"]
    for run_id in table["run_id"]:
        run = store.get(run_id)
        with np.load(io.BytesIO(store.artifacts.read(run, "evaluation/confusion.npz"))) as arrays:
            assert arrays["counts"].sum() == (labels != 255).sum(), "padding and ignored pixels count nowhere"
        content = store.artifacts.read(run, "model/model.tflite")
        assert TFLiteModel(content).input_shape == (104, 104, 9)
        assert read(content).classes == ("other", "cropland")
    capsys.readouterr()
    assert main(["report", "--format", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2
