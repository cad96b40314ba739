"""`segsweep bands` and `segsweep calibration` on a trained model: what they say, keep, go on with and refuse."""

import csv
import io
import json
from pathlib import Path

import pytest
from PIL import Image
from trained_store import DATA, FAST, float_file, runs_of, store_of

from segsweep.cli import main
from segsweep.tflite.flatbuffer import pack, unpack
from segsweep.tflite.metadata import read

pytestmark = pytest.mark.slow


def kept(folder: Path, run_id: str, stem: str) -> dict[str, bytes]:
    store = store_of(folder)
    run = store.get(run_id)
    assert store.artifacts.are_intact(run)
    return {kind: store.artifacts.read(run, f"{stem}.{kind}") for kind in ("md", "csv", "json", "png")}


def test_bands_are_shown_kept_and_the_better_file_written(inside, capsys):
    run_id = runs_of(inside)["int8"]
    words = ["bands", run_id[:10], "--test", "--percentile", "99.9"]
    assert main([*words, "--output", "better.tflite"]) == 0
    said = capsys.readouterr().out
    files = kept(inside, run_id, "bands/bands")
    assert files["md"].decode() in said
    found = json.loads(files["json"])
    assert len(found["bands"]) == 12
    assert [each["bits"] for each in found["bands"]] == sorted(each["bits"] for each in found["bands"])
    assert [each["band"] for each in csv.DictReader(files["csv"].decode().splitlines())] == [
        each["band"] for each in found["bands"]
    ]
    Image.open(io.BytesIO(files["png"])).verify()
    store = store_of(inside)
    scores = {name: store.get(runs_of(inside)[name]).metrics["test/mean_iou"] for name in ("float32", "int8")}
    assert f"On 6 test images: mean IoU of float32 {scores['float32']:.4f}.\nint8: {scores['int8']:.4f}, " in said
    assert {each["name"] for each in found["files"]} >= {"int8", "int8, bands rescaled", "int8, every range clipped"}
    assert f"better.tflite: {found['best']}." in said
    assert read(Path("better.tflite").read_bytes()).quantization == "int8"
    assert main([*words, "--output", "better.tflite"]) == 2
    assert "the file exists" in capsys.readouterr().err
    # It predicts with the normalization that it says.
    assert main(["evaluate", "better.tflite", "data=synthetic_parcels", *DATA, "--format", "json"]) == 0
    score = json.loads(capsys.readouterr().out)["metrics"]["test/accuracy"]
    exact = store_of(inside).get(runs_of(inside)["float32"]).metrics["test/accuracy"]
    assert score == pytest.approx(exact, abs=0.05)


def test_the_first_file_of_bands_is_the_variant_that_the_sweep_made(inside):
    """On other images; what both say of their input is the same."""
    from segsweep.tflite.interpreter import TFLiteModel

    store, ids = store_of(inside), runs_of(inside)
    made = TFLiteModel(store.artifacts.read(store.get(ids["int8"]), "model/model.tflite")).input_port
    first = json.loads(store.artifacts.read(store.get(ids["int8"]), "bands/bands.json"))["files"][0]
    assert (first["name"], first["setting"]) == ("int8", None)
    assert first["input_scale"] == pytest.approx(made.scale)
    assert first["input_zero_point"] == made.zero_point


def test_draws_are_scored_kept_and_not_tried_again(inside, capsys):
    run_id = runs_of(inside)["training"]
    words = [
        "calibration", run_id, *FAST, "--samples", "4,999", "--seeds", "2", "--choices", "random,farthest",
        "--ranges", "min_max,percentile", "--metric", "accuracy",
    ]  # fmt: skip
    assert main(words) == 0
    said = capsys.readouterr()
    assert "candidates in" in said.err
    files = kept(inside, run_id, "calibration/int8")
    assert files["md"].decode() in said.out
    found = json.loads(files["json"])
    # What is more than there are is all of them, and there is one way to choose them.
    assert [(each["choice"], each["samples"], each["range"]) for each in found["settings"]] == [
        (choice, samples, how)
        for how in ("min_max", "percentile")
        for choice, samples in (("random", 4), ("farthest", 4), ("random", 24))
    ]
    assert found["is_complete"]
    assert len(found["test_interval"]["accuracy"]) == 2
    assert "test images" in said.out
    assert len(files["csv"].decode().splitlines()) == 1 + 6
    Image.open(io.BytesIO(files["png"])).verify()
    assert main(words) == 0
    again = capsys.readouterr()
    assert "candidates in" not in again.err
    assert again.out == said.out


def test_a_file_that_somebody_made_is_audited_with_its_data_and_nothing_is_logged(inside, capsys):
    content = unpack(float_file(inside))
    content.metadata = []
    Path("unknown.tflite").write_bytes(pack(content))
    runs = len(store_of(inside).search(""))
    data = ["data=synthetic_parcels", *DATA]
    assert main(["bands", "unknown.tflite"]) == 2
    assert "give it as data=NAME" in capsys.readouterr().err
    assert main(["bands", "unknown.tflite", *data]) == 0
    assert "Kept on" not in capsys.readouterr().out
    assert main(["bands", "unknown.tflite", *data, "--output", "other.tflite"]) == 2
    assert "does not say how its images are normalized" in capsys.readouterr().err
    assert not Path("other.tflite").exists()
    words = ["--samples", "4", "--seeds", "2", "--choices", "random", "--ranges", "min_max", *FAST]
    assert main(["calibration", "unknown.tflite", *data, *words]) == 0
    assert "±" in capsys.readouterr().out
    assert len(store_of(inside).search("")) == runs


def test_what_cannot_be_is_said_in_one_line(inside, capsys):
    ids = runs_of(inside)
    store = store_of(inside)
    Path("quantized.tflite").write_bytes(store.artifacts.read(store.get(ids["int8"]), "model/model.tflite"))
    run = ids["training"]
    cases = {
        ("bands", "nothing"): "RUN nothing: no training or variant",
        ("bands", "quantized.tflite", "data=synthetic_parcels"): "is quantized already",
        ("bands", run, "--percentile", "100"): "--percentile 100: must be at least 50 and below 100",
        ("bands", run, "--least-bits", "9"): "--least-bits 9: must be 0 to 8",
        ("bands", run, "--images", "0"): "--images 0: must be 1 or more",
        (
            "bands",
            run,
            "--output",
            "nowhere/better.tflite",
        ): "--output nowhere/better.tflite: there is no folder nowhere",
        ("bands", run, "--output", "."): "--output .: is a folder",
        ("bands", run, "data.seed=1"): "its training images are not those of run",
        ("calibration", run, "--samples", "few"): "--samples few: must be whole numbers, as 8,32,128",
        ("calibration", run, "--samples", "0,8"): "--samples 0,8: must be numbers from 1",
        ("calibration", run, "--choices", "best"): "best is not known; there are random, stratified, farthest",
        ("calibration", run, "--ranges", ""): "nothing is not known; there are min_max, average, percentile, mse",
        ("calibration", run, "--seeds", "0"): "--seeds 0: must be 1 or more",
        ("calibration", run, "--budget", "1s"): "--budget 1s: is too short to try anything",
    }
    for words, said in cases.items():
        assert main(list(words)) == 2, words
        error = capsys.readouterr().err
        (line,) = [each for each in error.splitlines() if each.startswith("segsweep: error: ")]
        assert said in line, words
