"""What one does with a trained classifier: where quantization hurts it, the smallest file, and shipping it."""

import json
import subprocess
import sys

import mlflow
import numpy as np
import pytest
from PIL import Image
from swept_folder import swept_folder

from segsweep.cli import main
from segsweep.config.data_schema import Cifar100Config
from segsweep.data.sources import load_dataset
from segsweep.tflite.census import census
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.tracking import names
from segsweep.tracking.store import Store

pytestmark = pytest.mark.slow

DATA = {"standin": True, "labels": "coarse"}
JOB = [
    *("data=cifar100", "data.standin=true", "data.labels=coarse", "model=conv_net", "model.width=16", "model.depth=1"),
    *("model.dropout=0", "training.epochs=8", "training.batch_size=16", "training.learning_rate=0.01"),
    *("evaluation.latency.runs=5", "hydra/launcher=basic"),
]


@pytest.fixture(scope="module")
def classified(tmp_path_factory):
    """A folder with the float32 and the int8 file of a small classifier."""
    return swept_folder(tmp_path_factory.mktemp("classified"), *JOB, "quantization=float32,int8")


@pytest.fixture
def store(classified, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(classified)
    return Store.open_to_read(f"sqlite:///{classified}/mlruns/mlflow.db", "segsweep")


@pytest.fixture(scope="module")
def photos():
    """The test images of the stand-in, as they are stored."""
    test = load_dataset(Cifar100Config(**DATA)).test
    return test.read(np.arange(len(test)))[0]


def test_a_classifier_is_compared_with_one_of_band_means_and_deviations(store, capsys):
    linear, commonest = store.of_kind(names.REFERENCE)
    assert linear.name == "a linear classifier of band means and deviations"
    assert commonest.metrics["test/accuracy"] < linear.metrics["test/accuracy"]
    assert f"against/{linear.tags['segsweep.reference']}_accuracy_low" in int8_of(store).metrics
    assert main(["report"]) == 0
    assert "; a linear classifier of band means and deviations: accuracy 0." in capsys.readouterr().out


def int8_of(store):
    (found,) = [run for run in store.of_kind(names.VARIANT) if run.params["quantization.name"] == "int8"]
    return found


def test_sensitivity_scores_each_layer_by_whole_images(store, capsys):
    (training,) = store.of_kind(names.TRAINING)
    assert main(["sensitivity", training.run_id, "--workers", "1", "--screening", "8", "--metric", "accuracy"]) == 0
    said = capsys.readouterr().out
    assert "of all predictions alike" in said
    kept = json.loads(store.artifacts.read(store.get(training.run_id), "sensitivity/int8.json"))
    assert kept["is_complete"]
    assert {"stem_conv", "logits"} <= {part for each in kept["layers"] for part in each["name"].split("/")}


def test_search_finds_a_smaller_classifier(store, capsys):
    choices = ["--choices", "float32,int8"]
    words = ["search", int8_of(store).run_id, "--max-drop", "60%", "--metric", "accuracy", "--workers", "1", *choices]
    assert main(words) == 0
    assert "of the images have the same class as float32 gives them" in capsys.readouterr().out
    (run,) = store.of_kind("search")
    assert {op.weights for op in census(store.artifacts.read(run, "search/chosen.tflite")).compute} == {"int8"}


def test_what_is_shipped_and_what_mlflow_loads_give_the_classes_that_the_file_gives(store, photos, tmp_path):
    run = int8_of(store)
    data = load_dataset(Cifar100Config(**DATA))
    expected = TFLiteModel(store.artifacts.path(run, names.MODEL_FILE)).predict(data.normalization.apply(photos))
    mlflow.set_tracking_uri(f"sqlite:///{store.location.database}")
    try:
        ids = mlflow.pyfunc.load_model(f"runs:/{run.run_id}/model").predict(photos)
    finally:
        mlflow.set_tracking_uri(None)
    np.testing.assert_array_equal(ids, expected)
    assert ids.shape == (len(photos), 1, 1)

    exported = tmp_path / "shipped"
    assert main(["best", "--where", "quantization=int8", "--export", str(exported)]) == 0
    for place in (0, 1):
        Image.fromarray(photos[place]).save(tmp_path / "image.png")
        command = [sys.executable, str(exported / "predict.py"), str(tmp_path / "image.png")]
        ended = subprocess.run(command, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
        share, first = ended.stdout.splitlines()[0].split("%  ")
        assert first == data.classes[expected[place, 0, 0]]
        assert 5 < float(share) <= 100
