"""A sweep of 4-bit variants on tiny data: what it trains, logs and shows, and that its recipe repeats the file."""

import json
from pathlib import Path

import pytest
from swept_folder import swept_folder

from segsweep.cli import main
from segsweep.quantization.recipe import parse_recipe
from segsweep.report.comparison import comparison
from segsweep.tflite.flatbuffer import unpack
from segsweep.tracking import names
from segsweep.tracking.store import Store

pytestmark = pytest.mark.slow

TINY = [
    *("data.size=32", "data.train_images=12", "data.validation_images=8", "data.test_images=8"),
    *("model.depth=2", "model.width=3", "training.epochs=2", "training.batch_size=4", "quantization.epochs=2"),
    *("evaluation.latency.runs=5", "hydra/launcher=basic"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """With a finished sweep."""
    return swept_folder(tmp_path_factory.mktemp("four"), *TINY, "quantization=int8,int4,qat_int4")


@pytest.fixture
def store(folder, monkeypatch) -> Store:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(folder)
    return Store.open_to_read(f"sqlite:///{folder}/mlruns/mlflow.db", "segsweep")


def variant(store: Store, name: str, kind: str = "float"):
    (found,) = (
        run
        for run in store.of_kind("variant")
        if run.params["quantization.name"] == name and run.tags["segsweep.training_kind"] == kind
    )
    return found


def test_each_file_is_small_and_says_its_recipe(store):
    eight = variant(store, "int8").metrics["model/size_bytes"]
    for name, kind in (("int4", "float"), ("qat_int4", "qat_int4"), ("int4", "finetune")):
        run = variant(store, name, kind)
        computed = json.loads(run.tags[names.CENSUS])["compute"]
        assert set(computed) == {"CONV_2D int8 x int4", "CONV_2D int8 x int8"} or set(computed) == {
            "CONV_2D int8 x int4"
        }
        assert run.metrics["model/size_bytes"] < eight
        assert parse_recipe(store.artifacts.read(run, names.RECIPE_FILE).decode(), "here").layers
    trials = store.artifacts.read(variant(store, "int4"), names.RECIPE_TRIALS_FILE).decode().splitlines()
    assert trials[0] == "layer,weights,algorithm,changed_pixels,bits"
    assert len(trials) > 5


def test_the_fine_tune_keeps_the_layers_of_the_file_it_starts_at(store):
    recipes = [
        parse_recipe(store.artifacts.read(run, names.RECIPE_FILE).decode(), "here")
        for run in (variant(store, "int4"), variant(store, "qat_int4", "qat_int4"))
    ]
    first, second = ({name: choice.choice for name, choice in recipe.layers.items()} for recipe in recipes)
    assert first == second


def test_the_recipe_repeats_the_file(folder, store):
    run = variant(store, "int4")
    (folder / "taken.yaml").write_bytes(store.artifacts.read(run, names.RECIPE_FILE))
    applied = run.tags[names.CORRECTION].split()
    corrected = "none" if applied == ["none"] else f"[{','.join(applied)}]"
    words = ["quantization=mixed", "quantization.recipe=taken.yaml", f"quantization.correction={corrected}"]
    assert main(["run", "-m", *TINY, *words]) == 0
    again = variant(Store.open_to_read(f"sqlite:///{folder}/mlruns/mlflow.db", "segsweep"), "mixed")
    one, two = (unpack(store.artifacts.read(each, names.MODEL_FILE)) for each in (run, again))
    of_metadata = {entry.buffer for content in (one, two) for entry in content.metadata or ()}
    assert len(one.buffers) == len(two.buffers)
    for place, (mine, other) in enumerate(zip(one.buffers, two.buffers, strict=True)):
        if place not in of_metadata:
            assert (mine.data is None) == (other.data is None)
            assert mine.data is None or mine.data.tobytes() == other.data.tobytes()


def test_they_stand_in_the_report_with_a_remark_on_kernels(store):
    first = store.of_kind(names.SWEEP)[-1]
    table = comparison(store, first)
    assert set(table["quantization"]) == {"float32", "int8", "int4", "qat_int4"}
    assert any("4-bit weights" in remark for remark in table.attrs["remarks"])
