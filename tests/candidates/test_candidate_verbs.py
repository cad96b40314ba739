"""`segsweep sensitivity` and `segsweep search` on a trained model: what they say, keep, resume and refuse."""

import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from trained_store import DATA, FAST, JOB, float_file, runs_of, store_of

from segsweep.cli import main
from segsweep.quantization.layers import layers
from segsweep.quantization.recipe import read_recipe
from segsweep.tflite.census import census
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.tflite.metadata import embed, read

pytestmark = pytest.mark.slow


def test_sensitivity_says_what_each_layer_costs_keeps_it_and_does_not_try_it_again(inside, capsys):
    run_id = runs_of(inside)["training"]
    words = ["sensitivity", run_id[:10], *FAST, "--screening", "4", "--top", "2", "--metric", "accuracy"]
    assert main(words) == 0
    said = capsys.readouterr()
    found = layers(float_file(inside))
    for layer in found:
        assert layer.label in said.out
    assert "candidates in" in said.err
    store = store_of(inside)
    run = store.get(run_id)
    kept = json.loads(store.artifacts.read(run, "sensitivity/int8.json"))
    assert kept["is_complete"]
    assert {each["name"] for each in kept["layers"]} == {layer.name for layer in found}
    assert [each["both"]["images"] for each in kept["layers"]] == [8, 8] + [4] * (len(found) - 2)
    changed = [1 - each["both"]["agreement"] for each in kept["layers"][2:]]
    assert changed == sorted(changed, reverse=True)
    assert store.artifacts.read(run, "sensitivity/int8.md").decode() in said.out
    Image.open(io.BytesIO(store.artifacts.read(run, "sensitivity/int8.png"))).verify()
    assert store.artifacts.are_intact(run)
    assert main(words) == 0
    again = capsys.readouterr()
    assert "candidates in" not in again.err
    assert again.out == said.out


def test_the_file_with_all_layers_quantized_scores_as_the_int8_variant_does_on_the_same_images(inside):
    from segsweep.config.data_schema import SyntheticParcelsConfig
    from segsweep.data.sources import load_dataset

    store = store_of(inside)
    kept = json.loads(store.artifacts.read(store.get(runs_of(inside)["training"]), "sensitivity/int8.json"))
    data = load_dataset(SyntheticParcelsConfig(size=32, train_images=24, validation_images=8, test_images=6))
    images, labels = data.validation.read(np.arange(8))
    int8 = store.artifacts.read(store.get(runs_of(inside)["int8"]), "model/model.tflite")
    predicted = TFLiteModel(int8).predict(data.normalization.apply(images))
    assert kept["quantized"]["8"]["accuracy"] == pytest.approx(np.mean(predicted == labels))


def test_a_search_ends_with_a_recipe_that_a_job_repeats(inside, capsys):
    ids = runs_of(inside)
    words = [
        "search",
        ids["int8"],
        "--max-drop",
        "5%",
        *FAST,
        "--choices",
        "float32,weight_only_int4,dynamic_int8,int8",
    ]
    assert main([*words, "--output", "found.yaml", "--tflite", "found.tflite"]) == 0
    said = capsys.readouterr()
    assert "segsweep run ... quantization=mixed quantization.recipe=found.yaml" in said.out
    assert "On 6 test images: accuracy" in said.out
    assert re.search(r"Latency of one image, one thread, .*: [\d.]+ ms \(int8 [\d.]+ ms, float32 [\d.]+ ms\)", said.out)
    recipe = read_recipe("found.yaml")
    store = store_of(inside)
    (run,) = store.of_kind("search")
    assert run.is_finished
    assert run.tags["mlflow.parentRunId"] == ids["training"]
    chosen = store.artifacts.read(run, "search/chosen.tflite")
    assert Path("found.tflite").read_bytes() == chosen
    assert (
        len(chosen) < len(store.artifacts.read(store.get(ids["int8"]), "model/model.tflite")) < len(float_file(inside))
    )
    assert [op.weights for op in census(chosen).compute] == [
        recipe.of(layer.name).what.weights for layer in layers(float_file(inside))
    ]
    Image.open(io.BytesIO(store.artifacts.read(run, "search/front.png"))).verify()
    tried = json.loads(store.artifacts.read(run, "search/tried.json"))
    (winner,) = [each for each in tried["tried"] if each["is_winner"]]
    assert winner["size_bytes"] == len(chosen)
    exact = store.get(ids["float32"]).metrics["test/mean_iou"]
    assert run.metrics["latency/p50_ms"] > 0
    assert run.metrics["delta/mean_iou"] == pytest.approx(run.metrics["test/mean_iou"] - exact)

    assert main(["run", *JOB, "quantization=mixed", "quantization.recipe=found.yaml"]) == 0
    (variant,) = [each for each in store.of_kind("variant") if each.params["quantization.name"] == "mixed"]
    made = store.artifacts.read(variant, "model/model.tflite")
    assert embed(made, read(made)) == embed(chosen, read(made)), "bit for bit, but for the keys in the metadata"
    assert variant.metrics["test/accuracy"] == run.metrics["test/accuracy"]
    assert read(made).quantization == "mixed"
    assert store.artifacts.read(variant, "model/recipe.yaml") == Path("found.yaml").read_bytes()
    shutil.copy("found.yaml", "elsewhere.yaml")
    capsys.readouterr()
    assert main(["run", *JOB, "quantization=mixed", "quantization.recipe=elsewhere.yaml"]) == 0
    mixed = [each for each in store.of_kind("variant") if each.params["quantization.name"] == "mixed"]
    assert len(mixed) == 1, "what the recipe says counts, not where it lies"

    assert main([*words, "--output", "found.yaml"]) == 2
    assert "the file exists; give another name, or --force" in capsys.readouterr().err


def test_a_file_that_somebody_made_needs_its_data_and_is_not_logged(inside, capsys):
    from segsweep.tflite.flatbuffer import pack, unpack

    content = unpack(float_file(inside))
    content.metadata = []
    Path("theirs.tflite").write_bytes(pack(content))
    runs = len(store_of(inside).search(""))
    assert main(["search", "theirs.tflite", "--max-drop", "0.05", *FAST, "--choices", "float32,dynamic_int8"]) == 2
    assert "give it as data=NAME" in capsys.readouterr().err
    words = ["data=synthetic_parcels", *DATA, "--choices", "float32,dynamic_int8"]
    assert main(["search", "theirs.tflite", *words, "--max-drop", "0.05", *FAST]) == 0
    assert "default: float32" in capsys.readouterr().out
    files = ["--output", "theirs.yaml", "--tflite", "smaller.tflite"]
    assert main(["search", "theirs.tflite", *words, "--max-drop", "0.05", *FAST, *files]) == 0
    assert "segsweep run" not in capsys.readouterr().out, "no training of ours has these weights"
    recipe = read_recipe("theirs.yaml")
    assert [op.weights for op in census(Path("smaller.tflite").read_bytes()).compute] == [
        recipe.of(layer.name).what.weights for layer in layers(Path("theirs.tflite").read_bytes())
    ]
    assert main(["sensitivity", "theirs.tflite", *words[:-2], *FAST, "--screening", "4", "--top", "0"]) == 0
    assert len(store_of(inside).search("")) == runs
    assert main(["sensitivity", "theirs.tflite", "data=synthetic_parcels", "data.size=64", *FAST]) == 2
    assert "takes images of height, width and channels (32, 32, 12), those of synthetic_parcels are" in (
        capsys.readouterr().err
    )


def test_what_cannot_be_is_said_in_one_line(inside, capsys):
    ids = runs_of(inside)
    store = store_of(inside)
    Path("int8.tflite").write_bytes(store.artifacts.read(store.get(ids["int8"]), "model/model.tflite"))
    Path("bad.yaml").write_text("default: int8\nlayers: {no/such/layer: int4}\n")
    run = ids["training"]
    cases = {
        ("sensitivity", "nothing"): "RUN nothing: no training or variant in segsweep has an id that begins so",
        ("sensitivity", ""): "runs have ids that begin so; give more of it",
        ("sensitivity", "int8.tflite", "data=synthetic_parcels"): "is quantized already",
        ("sensitivity", run, "model.width=8"): "only its data can be given otherwise",
        ("sensitivity", run, "data.seed=1"): "its training images are not those of run",
        ("sensitivity", run, "--budget", "1s"): "--budget 1s: is too short to try anything",
        ("sensitivity", run, "--budget", "soon"): "--budget soon: is no time with a unit",
        ("sensitivity", run, "--screening", "0"): "--screening 0: must be 1 or more",
        ("search", run): "give one of --max-drop and --max-size",
        (
            "search",
            run,
            "--max-drop",
            "1%",
            "--choices",
            "int3",
        ): "int3 is not known; there are float32",
        ("search", run, "--max-drop", "1%", "--algorithms", "gptq"): "gptq is not known; there are min_max, octav",
        ("search", run, "--max-drop", "1%", "--algorithms", "hadamard"): "the library has hadamard for",
        ("search", run, "--max-size", "1KiB", "--choices", "int8", *FAST): "no file of these choices is so small; the",
        ("search", run, "--max-drop", "0", "--choices", "int4", *FAST): "limits it: at the best,",
        ("search", run, "--max-drop", "1%", "--images", "5"): "5 independent validation images have no 95 % interval",
        ("run", *JOB, "quantization=mixed"): "quantization=mixed needs a recipe",
        ("run", *JOB, "quantization=mixed", "quantization.recipe=bad.yaml"): "names no/such/layer, which is no layer",
        ("run", *JOB, "quantization=mixed", "quantization.recipe=none.yaml"): "none.yaml: cannot be read",
    }
    for words, said in cases.items():
        assert main(list(words)) == 2, words
        error = capsys.readouterr().err
        (line,) = [each for each in error.splitlines() if each.startswith("segsweep: error: ")]
        assert said in line, words


def test_a_recipe_that_does_not_fit_fails_the_job_where_no_float_file_is_there_yet(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("bad.yaml").write_text("default: int8\nlayers: {no/such/layer: int4}\n")
    words = [*JOB, "quantization=mixed", "quantization.recipe=bad.yaml"]
    assert main(["run", *words]) == 1
    said = capsys.readouterr()
    assert "the recipe names no/such/layer" in " ".join((said.out + said.err).split())
