"""The store of a small sweep, and what is in it."""

from pathlib import Path

from segsweep.tracking.store import Store

DATA = [f"data.{name}={value}" for name, value in {
    "size": 32, "train_images": 24, "validation_images": 8, "test_images": 6,
}.items()]  # fmt: skip
JOB = [
    *DATA, "model.depth=2", "model.width=4", "training.epochs=6", "training.batch_size=4",
    "training.learning_rate=0.01", "evaluation.latency.enabled=false", "hydra/launcher=basic",
]  # fmt: skip
FAST = ["--workers", "1"]


def store_of(folder: Path) -> Store:
    return Store.open_to_read(f"sqlite:///{folder}/mlruns/mlflow.db", "segsweep")


def runs_of(folder: Path) -> dict[str, str]:
    """Run ids of the training and of its variants."""
    store = store_of(folder)
    (training,) = store.of_kind("training")
    return {"training": training.run_id} | {
        run.params["quantization.name"]: run.run_id for run in store.of_kind("variant")
    }


def float_file(folder: Path) -> bytes:
    store = store_of(folder)
    return store.artifacts.read(store.get(runs_of(folder)["float32"]), "model/model.tflite")
