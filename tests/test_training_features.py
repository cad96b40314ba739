"""The features of training together, through one job: from the command line to what lies in the store."""

import numpy as np
import pytest

from segsweep.cli import main
from segsweep.data.histogram import LEVELS
from segsweep.tflite.metadata import read
from segsweep.tracking.store import Store

pytestmark = pytest.mark.slow

WORDS = [
    *("data.size=16", "data.train_images=8", "data.validation_images=4", "data.test_images=4"),
    *("model.depth=1", "model.width=2", "training.epochs=2", "training.batch_size=4"),
    *("hydra/launcher=basic", "evaluation.latency.enabled=false"),
]
ON = [
    *("training.fine_tuning.epochs=2", "training.schedule=plateau", "training.tensorboard=true"),
    *("training.augmentation.flips=horizontal", "training.augmentation.scale=[0.5,2]", "training.preview_images=2"),
    *("training.augmentation.brightness=0.1", "training.augmentation.noise=0.1", "data.histogram=match"),
]


def test_all_at_once(workplace):
    reference = np.random.default_rng(0).normal(0.3, 0.1, (20, 20, 12)).astype(np.float32)
    np.save(workplace / "reference.npy", reference)
    assert main(["run", *WORDS, *ON, "data.histogram_reference=reference.npy"]) == 0
    store = Store.open_to_read(f"sqlite:///{workplace}/mlruns/mlflow.db", "segsweep")
    (training,) = store.of_kind("training")
    assert [epoch for epoch, _ in store.history(training.run_id, "val/loss")] == [1, 2, 3, 4]
    rates = [rate for _, rate in store.history(training.run_id, "learning_rate")]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4])
    assert training.params["training.fine_tuning.learning_rate"] == "0.0001"
    assert "training/augmented.png" in training.sha256
    assert [path for path in training.sha256 if path.startswith("tensorboard/events.")]
    assert not list((workplace / "mlruns" / "tensorboard").glob("*")), "they are with the run's artifacts now"
    steps = [step for step, _ in store.artifacts.images(training, "predictions")]
    assert steps[0] == 1
    assert steps[-1] == 4
    assert int(training.metrics["best/epoch"]) in steps
    (sweep,) = store.of_kind("sweep")
    assert store.artifacts.read(sweep, "sweep/curves.png").startswith(b"\x89PNG")
    assert main(["report", "--animations", "gifs", "--output", "table.md"]) == 0
    assert len(list((workplace / "gifs").glob("*.gif"))) == 1

    (variant,) = store.of_kind("variant")
    metadata = read(store.artifacts.read(variant, "model/model.tflite"))
    assert metadata.histogram == "match"
    assert np.array(metadata.histogram_table).shape == (12, LEVELS)
    np.testing.assert_allclose(np.array(metadata.histogram_table)[:, -1], reference.max(axis=(0, 1)), rtol=1e-6)


def test_what_cannot_work_is_said_before_anything_is_trained(workplace, capsys):
    for words, message in [
        (["data.histogram=match"], "data.histogram=match needs an image to match"),
        (["training.augmentation.scale=[2,1]"], "training.augmentation.scale=[2.0, 1.0] is no interval"),
        (
            ["model=backbone_unet", "training.fine_tuning.epochs=1", "training.fine_tuning.frozen=99"],
            "training.fine_tuning.frozen=99 is not a choice",
        ),
    ]:
        assert main(["run", *WORDS[:4], *words]) == 2
        assert message in capsys.readouterr().err
    assert not (workplace / "mlruns" / "mlflow.db").exists() or not Store.open_to_read(
        f"sqlite:///{workplace}/mlruns/mlflow.db", "segsweep"
    ).of_kind("training")
