"""A sweep of all variants of pruned and clustered weights on tiny data: what it trains, logs and shows."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from swept_folder import swept_folder

from segsweep.cli import main
from segsweep.report.comparison import comparison, find_sweep
from segsweep.tracking import names
from segsweep.tracking.store import Store

pytestmark = pytest.mark.slow

TINY = [
    *("data.size=32", "data.train_images=12", "data.validation_images=4", "data.test_images=6"),
    *("model.depth=1", "model.width=3", "training.epochs=2", "training.batch_size=4", "quantization.epochs=2"),
    *("evaluation.latency.runs=5", "hydra/launcher=basic"),
    *("quantization.pruning.sparsity=0.75", "quantization.clustering.clusters=6", "quantization.recipe=recipe.yaml"),
]
ALL = "float32,pruned_float32,pruned_int8,clustered_float32,clustered_int8,pqat_int8,cqat_int8,qat_mixed"
RECIPE = """
default: int4
layers:
  strided_unet/enc0_conv/Conv2D: int16x8
  strided_unet/logits/Conv2D: float32
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """With a finished sweep."""
    folder = tmp_path_factory.mktemp("sparse")
    (folder / "recipe.yaml").write_text(RECIPE)
    return swept_folder(folder, *TINY, f"quantization={ALL}")


@pytest.fixture
def store(folder, monkeypatch) -> Store:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(folder)
    return Store.open_to_read(f"sqlite:///{folder}/mlruns/mlflow.db", "segsweep")


def kernels(file: bytes) -> list[np.ndarray]:
    """Stored tensors of four dimensions, as the interpreter has them: this model has no depthwise convolution."""
    interpreter = Interpreter(model_content=file, experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    found = []
    for detail in interpreter.get_tensor_details():
        # An activation is of one image, a kernel of several channels.
        if "conv2d" in detail["name"].lower() and len(detail["shape"]) == 4 and detail["shape"][0] > 1:
            found.append(interpreter.get_tensor(detail["index"]))
    assert len(found) >= 3
    return found


def test_each_training_is_made_once_under_its_float_training(store):
    trainings = store.of_kind("training")
    assert sorted(run.tags["segsweep.training_kind"] for run in trainings) == [
        "clustered", "cqat", "finetune", "finetune", "float", "pqat", "pruned", "qat_mixed"
    ]  # fmt: skip
    (root,) = (run for run in trainings if run.tags["segsweep.training_kind"] == "float")
    for run in trainings:
        if run is not root:
            assert run.tags["segsweep.parent_training_key"] == root.tags["segsweep.training_key"]
            assert run.tags["mlflow.parentRunId"] == root.run_id


def test_what_is_logged_of_the_files_is_so(store):
    for run in store.of_kind("variant"):
        file = store.artifacts.read(run, "model/model.tflite")
        layers = json.loads(store.artifacts.read(run, names.WEIGHT_STRUCTURE_FILE))
        assert run.metrics["model/gzip_bytes"] == len(gzip.compress(file, mtime=0))
        assert run.metrics["model/sparsity"] == pytest.approx(
            sum(layer["zeros"] for layer in layers) / sum(layer["count"] for layer in layers)
        )
        name = run.params["quantization.name"]
        for kernel in kernels(file) if "mixed" not in name else ():  # the interpreter gives no weights of 4 bits
            same = [layer for layer in layers if layer["count"] == kernel.size]
            assert np.sum(kernel == 0) in {layer["zeros"] for layer in same}
            assert len(np.unique(kernel)) in {layer["distinct"] for layer in same}
        if name in ("pruned_float32", "pruned_int8", "pqat_int8"):
            assert run.metrics["model/sparsity"] >= 0.74
        elif name in ("clustered_float32", "clustered_int8", "cqat_int8"):
            assert run.metrics["model/unique_weights_max"] <= 6
        elif "mixed" not in name:
            assert run.metrics["model/sparsity"] < 0.2
            assert run.metrics["model/unique_weights_max"] > 40


def test_a_file_trained_for_a_recipe_is_what_that_says(store):
    found = [run for run in store.of_kind("variant") if "mixed" in run.params["quantization.name"]]
    assert sorted(run.tags["segsweep.training_kind"] for run in found) == ["finetune", "qat_mixed"]
    for run in found:
        ops = json.loads(store.artifacts.read(run, names.CENSUS_FILE))["compute"]
        assert ops == {"CONV_2D float32 x float32": 1, "CONV_2D int16 x int8": 1, "CONV_2D int8 x int4": 3}


def test_they_are_compared_with_a_control_of_the_same_epochs(store):
    variants = store.of_kind("variant")
    by_id = {run.run_id: run for run in variants}
    epochs = {"pruned": 2, "clustered": 2, "pqat": 4, "cqat": 4, "qat_mixed": 2}
    compared = [run for run in variants if run.tags["segsweep.training_kind"] in epochs]
    assert len(compared) == 7
    for run in compared:
        control = by_id[run.tags["segsweep.gain_against"]]
        assert control.tags["segsweep.training_kind"] == "finetune"
        assert control.params["quantization.epochs"] == str(epochs[run.tags["segsweep.training_kind"]])
        assert run.params["quantization.name"].endswith(control.params["quantization.name"])
        assert run.metrics["gain/mean_iou"] == pytest.approx(
            run.metrics["test/mean_iou"] - control.metrics["test/mean_iou"], abs=1e-12
        )


def test_the_comparison_shows_what_they_are_good_for(store, capsys):
    table = comparison(store, find_sweep(store, None)).set_index(["training_kind", "quantization"])
    assert {"gzip_bytes", "sparsity", "distinct_weights", "gain_against_control"} <= set(table.columns)
    assert table.loc[("pruned", "pruned_int8"), "sparsity"].item() >= 0.74
    assert table.loc[("cqat", "cqat_int8"), "distinct_weights"].item() <= 6
    assert (table["size_ratio"].notna()).all()
    assert main(["report"]) == 0
    text = capsys.readouterr().out
    assert "gzip KiB" in text
    assert "95 % interval, control" in text


def test_a_wish_for_the_compressed_size(store, capsys):
    table = comparison(store, find_sweep(store, None))
    shippable = table[table["training_kind"] != "finetune"]
    smallest = shippable.sort_values("gzip_bytes").iloc[0]
    assert main(["best", "--max-gzip", f"{int(smallest['gzip_bytes'])}B"]) == 0
    assert smallest["quantization"] in capsys.readouterr().out.splitlines()[0]
    assert main(["best", "--max-gzip", "10B"]) == 2
    assert "compressed size" in capsys.readouterr().err


def test_a_second_sweep_makes_nothing(store, capsys):
    before = len(store.of_kind("training")), len(store.of_kind("variant"))
    assert main(["plan", "-m", *TINY, f"quantization={ALL}"]) == 0
    out = capsys.readouterr().out
    assert "1 fine-tunes with pruning, 1 done" in out
    assert "Nothing to do" in out
    assert main(["run", "-m", *TINY, f"quantization={ALL}"]) == 0
    assert (len(store.of_kind("training")), len(store.of_kind("variant"))) == before


def test_pruned_weights_are_a_source_of_candidates_and_rounded_ones_are_not(store, capsys):
    runs = {run.tags["segsweep.training_kind"]: run.run_id for run in store.of_kind("training")}
    assert main(["sensitivity", runs["pqat"]]) == 2
    assert "no float file" in capsys.readouterr().err
    assert main(["sensitivity", runs["pruned"], "--images", "2"]) == 0


@pytest.mark.parametrize(
    ("setting", "range_"),
    [
        ("quantization.pruning.sparsity=1", "between 0 and 1"),
        ("quantization.pruning.sparsity=0", "between 0 and 1"),
        ("quantization.clustering.clusters=1", "2 to 256"),
        ("quantization.clustering.clusters=257", "2 to 256"),
    ],
)
def test_impossible_shares_and_numbers_are_refused(workplace, capsys, setting, range_):
    assert main(["run", *TINY, "quantization=pruned_float32", setting]) == 2
    error = capsys.readouterr().err
    assert setting in error
    assert range_ in error
    assert error.count("\n") == 1
