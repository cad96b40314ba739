"""A sweep that also scores its trainings together."""

import json

import numpy as np
import pytest

from segsweep.cli import main
from segsweep.config.data_schema import NpzConfig, SyntheticParcelsConfig
from segsweep.data.sources import load_dataset
from segsweep.report.comparison import compare, find_sweep
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.tracking import names
from segsweep.tracking.store import Store

pytestmark = pytest.mark.slow

SIZES = {"size": 16, "train_images": 8, "validation_images": 4, "test_images": 6}
WORDS = [
    *(f"data.{name}={value}" for name, value in SIZES.items()),
    *("model.width=4", "model.depth=1", "training.epochs=1", "training.batch_size=4", "seed=0,1,2", "sweep.workers=1"),
    *("quantization=float32,int8", "ensemble=best", "ensemble.size=2", "evaluation.latency.runs=5"),
]


def swept(*words):
    assert main(["run", "-m", *WORDS, *words]) == 0
    store = Store.open_to_read("sqlite:///mlruns/mlflow.db", "segsweep")
    table = compare(store, find_sweep(store, None)).table
    return store, table, table[table["training_kind"] == "ensemble"]


def test_the_best_in_the_validation_are_scored_together(workplace):
    store, table, together = swept()
    assert len(table) == 8
    assert list(together["quantization"]) == ["float32", "int8"]
    dataset = load_dataset(SyntheticParcelsConfig(**SIZES))
    images, labels = dataset.test.read(np.arange(6))
    trainings = {run.tags[names.TRAINING_KEY]: run for run in store.of_kind(names.TRAINING)}
    best = sorted(trainings.values(), key=lambda run: -run.metrics["best/val_mean_iou"])[:2]
    for _, row in together.iterrows():
        run = store.get(row["run_id"])
        members = [store.get(each) for each in json.loads(run.tags[names.ENSEMBLE_MEMBERS])]
        assert [each.tags[names.TRAINING_KEY] for each in members] == [each.tags[names.TRAINING_KEY] for each in best]
        probability = 0
        for member in members:
            model = TFLiteModel(store.artifacts.required(member, names.MODEL_FILE))
            exponentials = np.exp(model.logits(dataset.normalization.apply(images)))
            probability = probability + exponentials / exponentials.sum(-1, keepdims=True)
        assert run.metrics[names.ACCURACY] == pytest.approx(np.mean(probability.argmax(-1) == labels), abs=1e-3)
        for metric in (names.SIZE_BYTES, names.LATENCY_P50):
            assert run.metrics[metric] == pytest.approx(sum(member.metrics[metric] for member in members))
        baseline = store.get(run.tags[names.BASELINE_RUN_ID])
        assert baseline.tags[names.TRAINING_KEY] == best[0].tags[names.TRAINING_KEY]
        assert run.metrics[names.DELTA_ACCURACY] == pytest.approx(
            run.metrics[names.ACCURACY] - baseline.metrics[names.ACCURACY]
        )

    _, _, again = swept()
    assert list(again["run_id"]) == list(together["run_id"])
    _, _, voting = swept("ensemble.combine=vote")
    assert set(voting["run_id"]).isdisjoint(together["run_id"])
    assert len(voting) == 2


def test_each_member_normalizes_as_its_own_training_did(workplace):
    random = np.random.default_rng(0)
    for name, images in (("train", 10), ("test", 6)):
        pixels = random.lognormal(0, 1, (images, 16, 16, 3)).astype(np.float32)
        np.savez(workplace / f"{name}.npz", X=pixels, Y=(pixels[..., 0] > 1).astype(np.uint8))
    files = {"train": "train.npz", "test": "test.npz", "classes": ["low", "high"]}
    data = [f"data.{name}={str(value).replace(' ', '')}" for name, value in files.items()]
    model = ("model.width=4", "model.depth=1", "training.epochs=2", "training.batch_size=4", "sweep.workers=1")
    together = ("ensemble=best", "ensemble.size=2", "evaluation.latency.runs=5", "quantization=float32")
    assert main(["run", "-m", "data=npz", *data, *model, *together, "data.normalize=standard,percentile"]) == 0
    store = Store.open_to_read("sqlite:///mlruns/mlflow.db", "segsweep")
    table = compare(store, find_sweep(store, None)).table
    run = store.get(table[table["training_kind"] == "ensemble"].iloc[0]["run_id"])
    probability, ways = 0, set()
    for member in (store.get(each) for each in json.loads(run.tags[names.ENSEMBLE_MEMBERS])):
        dataset = load_dataset(NpzConfig(normalize=member.params["data.normalize"], **files))
        ways.add(dataset.normalization.mean.tobytes())
        images, labels = dataset.test.read(np.arange(6))
        model_of = TFLiteModel(store.artifacts.required(member, names.MODEL_FILE))
        exponentials = np.exp(model_of.logits(dataset.normalization.apply(images)))
        probability = probability + exponentials / exponentials.sum(-1, keepdims=True)
    assert len(ways) == 2
    assert run.metrics[names.ACCURACY] == pytest.approx(np.mean(probability.argmax(-1) == labels), abs=1e-4)
