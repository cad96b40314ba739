"""From rasters with pixels that are no data to a model, its scores and its maps: those pixels count nowhere."""

from pathlib import Path

import numpy as np
import pytest
from shared_cases import made

from segsweep.cli import main
from segsweep.evaluation.image_counts import read_counts
from segsweep.tflite.metadata import read

rasterio = pytest.importorskip("rasterio")
pytestmark = pytest.mark.slow

MASKED = {"nodata": lambda number: 21 * (number % 2), "float_nodata": lambda number: 6}
"""By case, how many of the 64 columns of a tile are no data."""
SPLIT = ["data.train=train.txt", "data.validation=validation.txt", "data.test=test.txt"]


@pytest.mark.parametrize("case", MASKED)
def test_pixels_without_data_count_nowhere(workplace: Path, case: str, capfd: pytest.CaptureFixture[str]) -> None:
    root = made(case, workplace)
    parts = {"train": range(14), "validation": range(14, 18), "test": range(18, 24)}
    for role, tiles in parts.items():
        (root / f"{role}.txt").write_text("".join(f"{number:02}\n" for number in tiles))
    settings = ["data=image_folder", f"data.root={root}", "data.images=images/*.tif", "data.masks=masks/*.tif"]
    settings += [*SPLIT, "data.classes=[a,b,c]", "quantization=int8", "model.width=4", "training.epochs=12"]
    settings += ["training.learning_rate=0.01", "training.augmentation.scale=[0.8,1.25]"]
    assert main(["plan", *settings]) == 0
    lost = {role: 100 * np.mean([MASKED[case](number) / 64 for number in tiles]) for role, tiles in parts.items()}
    assert "no data: {train:.3g} % of the training pixels".format(**lost) in capfd.readouterr().out
    assert main(["run", *settings]) == 0

    # The mean and the deviation of the file are those of the valid pixels, as rasterio masks them.
    files = [rasterio.open(root / f"images/{number:02}.tif") for number in parts["train"]]
    values = np.ma.stack([file.read(masked=True) for file in files]).astype(np.float64)
    models = {read(path.read_bytes()).quantization: path for path in Path("mlruns").rglob("model.tflite")}
    assert set(models) == {"float32", "int8"}
    said = read(models["int8"].read_bytes())
    np.testing.assert_allclose(said.mean, values.mean(axis=(0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(said.std, values.std(axis=(0, 2, 3)), rtol=1e-5)
    assert said.dtype == ("int16" if case == "nodata" else "float32")

    # Each test tile is scored on its valid pixels.
    counts = {
        name: read_counts((model.parents[1] / "evaluation" / "confusion.npz").read_bytes())
        for name, model in models.items()
    }
    for each in counts.values():
        valid = [64 * (64 - MASKED[case](number)) for number in parts["test"]]
        np.testing.assert_array_equal(each.of_truth.sum(axis=1), valid)

    tiles = [str(root / f"images/{number:02}.tif") for number in parts["test"]]
    assert main(["predict", str(models["int8"]), *tiles, "--output", "maps"]) == 0
    right = total = 0
    for number in parts["test"]:
        with (
            rasterio.open(f"maps/{number:02}_ids.tif") as mapped,
            rasterio.open(root / f"images/{number:02}.tif") as image,
            rasterio.open(root / f"masks/{number:02}.tif") as mask,
        ):
            ids, there, truth = mapped.read(1), image.dataset_mask() != 0, mask.read(1)
        np.testing.assert_array_equal(ids == 255, ~there)
        right, total = right + int((ids == truth)[there].sum()), total + int(there.sum())
    # The maps are right where the evaluation found the file to be: tiles are as large as its input.
    assert right == np.trace(counts["int8"].total)
    assert total == counts["int8"].of_truth.sum()
    assert right / total > 0.7
