"""The shared cases whose pixels or masks could be counted wrongly, from `plan` to the counts of a file."""

import numpy as np
import pytest
from shared_cases import made

from segsweep.cli import main
from segsweep.evaluation.image_counts import read_counts
from segsweep.tracking import names
from segsweep.tracking.store import Store

SMALL = (
    "data=npz", "data.classes=[ground,roof]", "model.width=2", "model.depth=2", "training.epochs=1",
    "quantization=float32", "evaluation.latency.enabled=false", "hydra/launcher=basic",
)  # fmt: skip


def archives(folder) -> list[str]:
    return [f"data.{part}={folder}/{part}.npz" for part in ("train", "test")]


@pytest.mark.slow
def test_uneven_images_have_one_row_each_and_each_pixel_counts_once(workplace):
    folder = made("uneven", workplace)
    assert main(["run", "-m", *SMALL, *archives(folder), "data.patch.size=64"]) == 0
    store = Store.open_to_read("sqlite:///mlruns/mlflow.db", "segsweep")
    (run,) = store.of_kind(names.VARIANT)
    counts = read_counts(store.artifacts.read(run, names.CONFUSION_FILE)).dense()
    assert counts.shape == (4, 2, 2)
    np.testing.assert_array_equal(counts.sum(axis=(1, 2)), 10_000)
    truth = np.load(folder / "test.npz")["Y"]
    np.testing.assert_array_equal(counts.sum(axis=2)[:, 1], truth.sum(axis=(1, 2)))


def test_one_mask_for_all_is_noted_before_anything_starts(workplace, capsys):
    folder = made("one_mask", workplace)
    assert main(["plan", "-m", *SMALL, *archives(folder)]) == 0
    out = capsys.readouterr().out
    assert "data       all 11 training masks are equal: the images show one place" in out
    assert "data       all 6 test masks are equal" in out
    assert "ground is 20% of the training pixels and 70% of the test pixels" in out
    assert "differ by more than a factor of 2" in out
    assert "6 test images, 1 of them independent: fewer than 6, so no score has an interval" in out
