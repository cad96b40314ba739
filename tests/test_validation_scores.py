"""A real sweep whose files are scored on both splits: each pixel once, a row a source image."""

import io
import json

import numpy as np
import pytest
from sklearn.metrics import jaccard_score
from swept_folder import swept_folder

from segsweep.cli import main
from segsweep.config.data_schema import NpzConfig, PatchConfig
from segsweep.data.dataset import IGNORE
from segsweep.data.sources import load_dataset
from segsweep.evaluation.image_counts import read_counts
from segsweep.lineage import variants
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.tracking import names
from segsweep.tracking.store import Store

URI = "sqlite:///mlruns/mlflow.db"
JOB = (
    "data=npz", "data.train=train.npz", "data.test=test.npz", "data.classes=[ground,roof,water]", "data.patch.size=32",
    "model.width=2", "model.depth=2", "training.epochs=2", "training.learning_rate=0.01",
    "evaluation.latency.enabled=false", "quantization=float32,int8", "hydra/launcher=basic",
)  # fmt: skip


def write_archives(folder) -> None:
    """Images of 50 x 50, which patches of 32 cover with an overlap; `water` occurs in no test mask."""
    rng = np.random.default_rng(0)
    for part, count, classes in (("train", 30, 3), ("test", 7, 2)):
        masks = np.kron(rng.integers(0, classes, (count, 5, 5)), np.ones((10, 10), int)).astype(np.uint8)
        images = masks[..., None] * np.array([60, 20, 90]) + rng.normal(60, 15, (*masks.shape, 3))
        np.savez(folder / f"{part}.npz", X=images.clip(0, 255).astype(np.uint8), Y=masks)


@pytest.fixture(scope="module")
def older(tmp_path_factory):
    """A sweep of a version that had another format of evaluations."""
    folder = tmp_path_factory.mktemp("scored")
    write_archives(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(variants, "EVALUATION_FORMAT", 2)
        return swept_folder(folder, *JOB)


@pytest.fixture(scope="module")
def swept(older):
    """The same sweep by this version."""
    return swept_folder(older, *JOB)


@pytest.fixture
def store(swept, monkeypatch):
    monkeypatch.chdir(swept)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Store.open_to_read(URI, "segsweep")


def newest(store, quantization: str):
    runs = store.of_kind(names.VARIANT)
    return next(run for run in runs if run.params["quantization.name"] == quantization)


def test_files_of_an_older_version_are_scored_again_and_nothing_is_trained(store):
    trainings, files = store.of_kind(names.TRAINING), store.of_kind(names.VARIANT)
    assert len(trainings) == 1
    assert [run.params["quantization.name"] for run in files].count("int8") == 2
    hashes = {run.sha256[names.MODEL_FILE] for run in files if run.params["quantization.name"] == "int8"}
    assert len(hashes) == 1


@pytest.mark.parametrize("quantization", ["float32", "int8"])
def test_scores_on_both_splits_are_those_of_scikit_learn(store, quantization):
    run = newest(store, quantization)
    dataset = load_dataset(
        NpzConfig(train="train.npz", test="test.npz", classes=["ground", "roof", "water"], patch=PatchConfig(size=32))
    )
    model = TFLiteModel(store.artifacts.read(run, names.MODEL_FILE))
    for split, metric in ((dataset.validation, names.VALIDATION_MEAN_IOU), (dataset.test, names.MEAN_IOU)):
        images, labels = split.read(np.arange(len(split)))
        counted = labels != IGNORE
        assert counted.sum() == len(split.images) * 50 * 50
        predicted = model.predict(dataset.normalization.apply(images))
        truth = labels[counted]
        expected = jaccard_score(truth, predicted[counted], labels=np.unique(truth), average="macro")
        assert run.metrics[metric] == pytest.approx(expected, abs=1e-9)
    assert names.class_metrics(names.IOU, ["ground", "roof", "water"])[2] not in run.metrics


def test_counts_have_a_row_a_source_image(store):
    run = newest(store, "int8")
    for name, images in ((names.CONFUSION_FILE, 7), (names.VALIDATION_CONFUSION_FILE, 6)):
        content = store.artifacts.read(run, name)
        counts = read_counts(content)
        assert len(counts) == images
        np.testing.assert_array_equal(counts.dense().sum(axis=(1, 2)), 2500)
        with np.load(io.BytesIO(content)) as arrays:
            np.testing.assert_array_equal(arrays["groups"], np.arange(images))
    assert (run.tags[names.TEST_IMAGES], run.tags[names.TEST_GROUPS]) == ("7", "7")
    assert (run.tags[names.VALIDATION_IMAGES], run.tags[names.VALIDATION_GROUPS]) == ("6", "6")


def test_the_report_and_the_choice_have_them(store, capsys):
    assert main(["report", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    for row in rows:
        run = store.get(row["run_id"])
        assert row["validation_mean_iou"] == run.metrics[names.VALIDATION_MEAN_IOU]
    assert main(["best"]) == 0
    assert "Why: chosen by validation mean IoU" in capsys.readouterr().out


def test_a_class_in_no_test_mask_is_named(store, capsys):
    assert main(["report"]) == 0
    out = capsys.readouterr().out
    assert "Classes that occur in no test mask are left out of the means (water)" in out
    assert "The intervals rest on 7 test images, which are assumed to be independent" in out
