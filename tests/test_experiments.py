"""Each published exercise on its stand-in, from files on disk to the comparison: smaller and shorter than as it is."""

import numpy as np
import pytest
from hydra import compose, initialize_config_module

from segsweep.cli import main
from segsweep.config.job_config import to_job_config
from segsweep.data.dataset import IGNORE, Dataset, Split
from segsweep.data.sources import load_dataset
from segsweep.report.comparison import comparison, find_sweep
from segsweep.tracking import names
from segsweep.tracking.store import Store

pytestmark = pytest.mark.slow

SMALL_ENCODER = ("model.encoder=mobilenet_v2", "model.alpha=0.35", "model.weights=null")
SHORTER = {
    "sentinel2_cultivated": ("training.epochs=15", "model.width=8"),
    "aerial_landcover": (*SMALL_ENCODER, "data.patch.size=64", "model.width=4", "training.epochs=12"),
    "voc_foreground": ("model.upsampling=transposed", "model.depth=3", "data.size=[64,64]", "training.epochs=25"),
    "deepglobe_landcover": (
        *SMALL_ENCODER,
        *(
            "model.output_stride=8",
            "loss.gamma=0",
            "data.points=null",
            "data.size=[96,96]",
            "training.batch_size=4",
            "training.epochs=60",
        ),
    ),
    "pets_mobilenetv2": (
        *SMALL_ENCODER,
        *("model.frozen=none", "model.width=8", "data.size=[64,64]", "training.batch_size=4", "training.epochs=25"),
        "training.fine_tuning.epochs=3",
    ),
    "cifar100_scratch": ("data.labels=coarse", "model.width=16", "training.batch_size=16", "training.epochs=40"),
    "cifar100_vgg16": (
        *SMALL_ENCODER,
        *("data.labels=coarse", "data.size=[32,32]", "model.frozen=none", "model.dropout=0", "training.batch_size=16"),
        "training.epochs=40",
    ),
    "camvid": ("model.width=8", "data.size=[88,120]", "training.epochs=20"),
}
FASTER = ("training.learning_rate=0.005", "quantization=float32,int8", "evaluation.latency.enabled=false")


def dataset_of(experiment: str, words: tuple[str, ...]) -> Dataset:
    from hydra_plugins.segsweep_sweeper.segsweep_sweeper import register

    register()
    overrides = [f"experiment={experiment}", "data.standin=true", *(word for word in words if word.startswith("data."))]
    with initialize_config_module(config_module="segsweep.conf", version_base="1.3"):
        return load_dataset(to_job_config(compose("config", overrides=overrides)).data)


def frequencies(split: Split, classes: int) -> np.ndarray:
    labels = split.read(np.arange(len(split)))[1]
    return np.bincount(labels[labels != IGNORE], minlength=classes)


@pytest.mark.parametrize("experiment", SHORTER)
def test_it_learns_from_its_stand_in(experiment, workplace):
    words = SHORTER[experiment]
    assert main(["run", "-m", f"experiment={experiment}", "data.standin=true", *words, *FASTER, "sweep.workers=1"]) == 0

    dataset = dataset_of(experiment, words)
    assert dataset.standin
    commonest = frequencies(dataset.train, len(dataset.classes)).argmax()
    tested = frequencies(dataset.test, len(dataset.classes))
    majority = tested[commonest] / tested.sum()

    store = Store.open_to_read("sqlite:///mlruns/mlflow.db", "segsweep")
    assert all(run.tags[names.STANDIN] == "true" for run in store.of_kind(names.VARIANT))
    table = comparison(store, find_sweep(store, None))
    assert list(table["quantization"]) == ["float32", "int8"]
    assert (table["accuracy"] > majority + 0.05).all(), (majority, table["accuracy"])
    assert (table["accuracy"] > 1.1 * majority).all()
