"""A training of photographs that are stored on their side."""

import numpy as np
import pytest
from PIL import Image
from shared_cases import made

from segsweep.cli import main
from segsweep.report.comparison import comparison, find_sweep
from segsweep.tracking.store import Store

pytestmark = pytest.mark.slow


def test_photographs_on_their_side_train_as_well_as_upright_ones_and_are_mapped_upright(workplace, capfd):
    root = made("exif", workplace)
    words = ["data=image_folder", f"data.root={root}", "data.images='images/*.jpg'", "data.classes=[ground,roof]"]
    small = ["model.width=4", "training.learning_rate=0.01", "training.epochs=6", "evaluation.latency.enabled=false"]
    assert main(["run", *words, *small, "quantization=float32"]) == 0
    assert "24 of 24 images were turned upright" in "".join(capfd.readouterr())
    store = Store.open_to_read("sqlite:///mlruns/mlflow.db", "segsweep")
    table = comparison(store, find_sweep(store, None))
    assert table["mean_iou"].min() > 0.8
    run = store.get(table["run_id"].iloc[0])
    (workplace / "model.tflite").write_bytes(store.artifacts.read(run, "model/model.tflite"))
    photograph, mask = root / "images" / "03.jpg", root / "masks" / "03.png"
    assert main(["predict", "model.tflite", str(photograph), "--output", "out"]) == 0
    with Image.open("out/03_ids.png") as found, Image.open(mask) as truth:
        assert (np.asarray(found) == np.asarray(truth)).mean() > 0.85
