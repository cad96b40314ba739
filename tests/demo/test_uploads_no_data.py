"""Uploaded rasters have no data where `predict` finds none."""

from pathlib import Path, PurePath

import numpy as np
import pytest

from segsweep.demo.uploads import uploaded_scene
from segsweep.predict.scene import Window


@pytest.mark.parametrize("how", ["value", "model", "mask", "alpha", "alpha as band"])
def test_an_upload_has_no_data_where_its_file_says_so(tmp_path: Path, how: str):
    rasterio = pytest.importorskip("rasterio")
    image = np.random.default_rng(0).integers(1, 255, (4, 20, 24)).astype(np.uint8)
    there = np.ones((20, 24), bool)
    there[3:9, :7] = False
    image[3] = np.where(there, 255, 0) if "alpha" in how else image[3]
    image[:3, ~there] = 0
    image[3, ~there] = 0
    shape = {"height": 20, "width": 24, "count": 4, "dtype": "uint8"}
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", nodata=0 if how == "value" else None, **shape) as file:
        file.write(image)
        if how == "mask":
            file.colorinterp = [rasterio.enums.ColorInterp.gray] * 4
            file.write_mask(there)
    scene = uploaded_scene(
        PurePath("a.tif"),
        (tmp_path / "a.tif").read_bytes(),
        4,
        nodata=0.0 if how == "model" else None,
        alpha_is_band=how == "alpha as band",
    )
    with scene.opened() as reader:
        window = Window(2, 20, 0, 20)
        invalid = reader.invalid(reader.read(window, (2, 0)), window, (2, 0))
    if how == "alpha as band":
        assert invalid is None
    else:
        np.testing.assert_array_equal(invalid, np.broadcast_to(~there[2:20, :20], (2, 18, 20)))
