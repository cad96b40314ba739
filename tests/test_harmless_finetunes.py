"""Fine-tunes at a good and at a ruinous rate: no file is worse on validation images than what it began at."""

from pathlib import Path

import pytest
from swept_folder import swept_folder

from segsweep.report.comparison import comparison, find_sweep
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store

pytestmark = pytest.mark.slow

TINY = [
    *("data.size=32", "data.train_images=12", "data.validation_images=6", "data.test_images=6"),
    *("model.depth=2", "model.width=4", "training.epochs=8", "training.batch_size=4", "quantization.epochs=2"),
    *("training.learning_rate=0.01", "evaluation.latency.enabled=false"),
]
RATES = (0.001, 10.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finetunes")
    rates = ",".join(map(str, RATES))
    return swept_folder(folder, *TINY, "quantization=int8,qat_int8,pqat_int8", f"quantization.learning_rate={rates}")


@pytest.fixture
def store(folder, monkeypatch) -> Store:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(folder)
    return Store.open_to_read(f"sqlite:///{folder}/mlruns/mlflow.db", "segsweep")


def scores(store: Store, rate: float) -> dict[tuple[str, str], float]:
    """Validation scores of the files, by kind of training and variant."""
    return {
        (run.tags[names.TRAINING_KIND], run.params["quantization.name"]): run.metrics[names.VALIDATION_MEAN_IOU]
        for run in store.of_kind("variant")
        if run.tags[names.TRAINING_KIND] == "float" or float(run.params["quantization.learning_rate"]) == rate
    }


@pytest.mark.parametrize("rate", RATES)
def test_no_file_is_worse_than_what_it_began_at(store, rate):
    found = scores(store, rate)
    assert found["qat", "qat_int8"] >= found["float", "int8"]
    # Float files hold folded batch norms, whose rounding may move a pixel.
    assert found["finetune", "float32"] >= found["float", "float32"] - 1e-3


def test_a_ruinous_rate_leaves_the_weights_as_they_were(store):
    def kept(rate: float) -> dict[str, float]:
        return {
            run.tags[names.TRAINING_KIND]: run.metrics[names.BEST_EPOCH]
            for run in store.of_kind("training")
            if run.tags[names.TRAINING_KIND] in ("qat", "finetune")
            and float(run.params["quantization.learning_rate"]) == rate
            and run.params["quantization.epochs"] == "2"
        }

    assert kept(10.0) == {"qat": 0, "finetune": 0}
    assert kept(0.001)["finetune"] > 0


def test_the_start_is_on_the_run(store):
    for run in store.of_kind("training"):
        started = {name for name in run.metrics if name.startswith("start/")}
        # Pruning has yet to make the weights what they are to be.
        assert ("start/val_mean_iou" in started) == (run.tags[names.TRAINING_KIND] in ("qat", "finetune", "pqat"))


def test_the_report_says_whose_file_it_is(store):
    def is_kept(run: RunRecord) -> bool:
        return run.tags.get(names.KEEPS_START) == "true"

    runs = store.of_kind("variant")
    assert not any(is_kept(run) for run in runs if run.tags[names.TRAINING_KIND] in ("float", "finetune"))
    kept = [run.name for run in runs if is_kept(run)]
    sentences = [each for each in comparison(store, find_sweep(store, None)).attrs["remarks"] if "began at" in each]
    assert len(sentences) == bool(kept)
    assert all(name in sentences[0] for name in kept)


def test_a_recipe_without_integer_activations_is_trained_for(tmp_path, monkeypatch):
    (tmp_path / "recipe.yaml").write_text("default: weight_only_int8")
    swept_folder(tmp_path, *TINY, "quantization=qat_mixed", "quantization.recipe=recipe.yaml")
    found = Store.open_to_read(f"sqlite:///{tmp_path}/mlruns/mlflow.db", "segsweep")
    (run,) = [each for each in found.of_kind("variant") if each.tags[names.TRAINING_KIND] == "qat_mixed"]
    assert run.metrics[names.MEAN_IOU] > 0
    assert names.RANGES not in run.tags or not run.tags[names.RANGES]
