"""From real crops to a map: a small int8 model learnt from four Sentinel-2 bands maps a scene that it never saw."""

from pathlib import Path

import numpy as np
import pytest
import rasterio

from segsweep.cli import main
from segsweep.tflite.metadata import read

pytestmark = pytest.mark.slow

BANDS = ("B04", "B03", "B02", "B08")


def crops(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Patches (N, 64, 64, 4) of all dates, and their masks."""
    with np.load(path) as archive:
        places = [archive["bands"].tolist().index(name) for name in BANDS]
        images, labels = archive["X"][..., places], archive["Y"]
    last = images.shape[1] - 64
    corners = [(top, left) for top in {0, last} for left in {0, last}]
    return (
        np.concatenate([images[:, top : top + 64, left : left + 64] for top, left in corners]),
        np.concatenate([labels[:, top : top + 64, left : left + 64] for top, left in corners]),
    )


def test_a_scene_is_mapped(workplace: Path, shared_data: Path) -> None:
    files = [
        shared_data / place / f"{part}.npz"
        for place in ("s2_cropland_belgium_101", "s2_cropland_flanders_64")
        for part in ("train", "test")
    ]
    images, labels = zip(*map(crops, files), strict=True)
    np.savez("train.npz", X=np.concatenate(images[:3]), Y=np.concatenate(labels[:3]))
    np.savez("test.npz", X=images[3], Y=labels[3])
    settings = ["data=npz", "data.train=train.npz", "data.test=test.npz", "data.classes=[other,cropland]"]
    settings += [f"data.bands=[{','.join(BANDS)}]", "model.width=8", "training.epochs=15", "quantization=int8"]
    settings += ["training.learning_rate=0.003", "training.augmentation.scale=[0.7,1.4]", "training.preview_images=0"]
    assert main(["run", *settings]) == 0

    (model,) = [path for path in Path("mlruns").rglob("model.tflite") if read(path.read_bytes()).quantization == "int8"]
    assert read(model.read_bytes()).dtype == "uint16"
    scene = shared_data / "s2_geotiff_ftw_austria" / "inference-img.tif"
    assert main(["predict", str(model), str(scene), "--channels", "0,1,2,3", "--output", "out"]) == 0

    with rasterio.open(scene) as given, rasterio.open("out/inference-img_ids.tif") as made:
        assert made.crs == given.crs
        assert made.transform == given.transform
        ids = made.read(1)
        red, infrared = given.read(1).astype(float), given.read(4).astype(float)
    assert set(np.unique(ids)) == {0, 1}
    # Forest and river, told apart by two thresholds, are mostly no cropland; bright bare or ripe fields mostly are.
    forest = (red < 400) & (infrared > 1500) & (infrared < 3500)
    fields = (red > 1200) & (infrared > 2500)
    assert forest.sum() > 10_000
    assert fields.sum() > 10_000
    assert (ids[fields] == 1).mean() > (ids[forest] == 1).mean() + 0.2
