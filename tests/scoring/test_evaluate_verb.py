"""`segsweep evaluate` on a file of ours and on a foreign one, against scikit-learn."""

import json
from dataclasses import replace

import numpy as np
import pytest
import small_unet
from sklearn.metrics import accuracy_score, jaccard_score

from segsweep.cli import main
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.tflite.metadata import Metadata, embed
from segsweep.tracking import names

IMAGES, LABELS = small_unet.blobs(12, seed=3)
SCALE, SHIFT = np.array([2.0, 1.0, 4.0, 0.5]), np.array([5.0, 0.0, -1.0, 2.0])
SAID = Metadata(
    classes=("a", "b", "c"),
    palette=((0, 0, 0), (1, 1, 1), (2, 2, 2)),
    bands=("p", "q", "r", "s"),
    rgb=(0, 1, 2),
    mean=tuple(SHIFT.tolist()),
    std=tuple(SCALE.tolist()),
    quantization="int8",
    training_key="",
    variant_key="",
    data="npz",
    histogram="none",
    histogram_table=(),
    segsweep_version="0",
)


@pytest.fixture
def data(tmp_path):
    stored = IMAGES * SCALE + SHIFT
    np.savez(
        tmp_path / "train.npz", X=small_unet.blobs(20, seed=4)[0] * SCALE + SHIFT, Y=small_unet.blobs(20, seed=4)[1]
    )
    np.savez(tmp_path / "test.npz", X=stored, Y=LABELS)
    return [
        *("data=npz", f"data.train={tmp_path / 'train.npz'}", f"data.test={tmp_path / 'test.npz'}"),
        "data.classes=[a,b,c]",
    ]


def scored(path, data, capsys, *more):
    assert main(["evaluate", str(path), *data, "--format", "json", *more]) == 0
    said = capsys.readouterr()
    return json.loads(said.out), said.err


def test_scores_are_those_of_scikit_learn(tmp_path, data, capsys):
    file = embed(small_unet.variant_file("nearest", "int8"), SAID)
    (tmp_path / "model.tflite").write_bytes(file)
    found, said = scored(tmp_path / "model.tflite", data, capsys)
    predicted = TFLiteModel(file).predict(IMAGES).ravel()
    metrics = found["metrics"]
    assert metrics[names.ACCURACY] == pytest.approx(accuracy_score(LABELS.ravel(), predicted), abs=1e-3)
    expected = jaccard_score(LABELS.ravel(), predicted, average="macro")
    assert metrics[names.MEAN_IOU] == pytest.approx(expected, abs=2e-3)
    assert metrics[names.SIZE_BYTES] == len(file)
    assert 0 < metrics[names.LATENCY_P50] <= metrics[names.LATENCY_P95]
    assert (found["test_images"], found["data"]) == (12, "npz")
    assert "note" not in said
    assert main(["evaluate", str(tmp_path / "model.tflite"), *data, "--no-latency"]) == 0
    table = capsys.readouterr().out
    assert "12 test images of npz" in table
    assert f"| test/accuracy | {metrics[names.ACCURACY]:.4f} |" in table
    assert "latency" not in table


def test_images_of_other_histograms_are_said(tmp_path, data, capsys):
    file = embed(small_unet.variant_file("nearest", "int8"), replace(SAID, histogram="equalize"))
    (tmp_path / "model.tflite").write_bytes(file)
    _, said = scored(tmp_path / "model.tflite", data, capsys, "--no-latency")
    assert "made for images with data.histogram=equalize, and those here have data.histogram=none" in said


def test_a_file_that_says_nothing(tmp_path, data, capsys):
    (tmp_path / "foreign.tflite").write_bytes(small_unet.float_file("nearest"))
    found, said = scored(tmp_path / "foreign.tflite", data, capsys, "--no-latency")
    assert "does not say how it normalizes images" in said
    assert found["metrics"][names.ACCURACY] > 0.5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "what data the file is for is not known; give it as data=NAME"),
        (["data=synthetic_parcels", "data.size=16"], "those of synthetic_parcels are (16, 16, 12)"),
        (["data=npz"], "data.train is not set"),
        (["data=nothing"], "nothing"),
    ],
)
def test_wrong_data(tmp_path, capsys, words, message):
    (tmp_path / "model.tflite").write_bytes(small_unet.float_file("nearest"))
    assert main(["evaluate", str(tmp_path / "model.tflite"), *words]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("segsweep: error")]
    assert message in line


def test_wrong_files(tmp_path, capsys, data):
    (tmp_path / "text.tflite").write_text("no model at all")
    for path, message in ((tmp_path / "text.tflite", "not a .tflite file"), (tmp_path / "none.tflite", "cannot read")):
        assert main(["evaluate", str(path), *data]) == 2
        assert message in capsys.readouterr().err
