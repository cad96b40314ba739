"""Prediction where nothing is installed but the few packages that it needs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import handmade_models as handmade
import numpy as np
import pytest
from checkout import ROOT, tracked_files
from PIL import Image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NEEDED = ("ai-edge-litert", "numpy", "pillow")
"""As the README says."""


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST", "SEGSWEEP")) and name not in ("PYTHONPATH", "VIRTUAL_ENV")
    }
    return subprocess.run(list(map(str, command)), cwd=cwd, env=inherited, capture_output=True, text=True)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with segsweep, without its dependencies, and what prediction needs."""
    folder = tmp_path_factory.mktemp("alone")
    source = folder / "source"
    for path in tracked_files():
        target = source / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    bin_folder = folder / "environment" / "bin"
    pip = [bin_folder / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in (
        [sys.executable, "-m", "venv", folder / "environment"],
        [*pip, "--no-deps", source],
        [*pip, "-c", ROOT / "constraints.txt", *NEEDED],
    ):
        done = run(*command, cwd=folder)
        assert done.returncode == 0, done.stdout + done.stderr
    return bin_folder


def test_readme_names_these_packages() -> None:
    readme = (ROOT / "README.md").read_text()
    assert f"pip install --no-deps segsweep && pip install {' '.join(NEEDED)}" in readme


def test_pictures_and_arrays_are_mapped(environment: Path, tmp_path: Path) -> None:
    image = handmade.noise(50, 70, 3).astype(np.uint8)
    (tmp_path / "model.tflite").write_bytes(handmade.pixelwise(3, dtype="uint8"))
    Image.fromarray(image).save(tmp_path / "a.png")
    Image.fromarray(image).save(tmp_path / "b.tif")
    np.savez(tmp_path / "c.npz", X=image[None])
    words = ["model.tflite", "a.png", "b.tif", "c.npz", "--output", "out", "--write", "ids,overlay"]
    done = run(environment / "segsweep", "predict", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    expected = handmade.pixelwise_shares(image, 3).argmax(axis=-1)
    for name in ("a", "b", "c_0000"):
        ids = np.asarray(Image.open(tmp_path / "out" / f"{name}_ids.png"))
        np.testing.assert_array_equal(ids, expected)
    there = run(environment / "python", "-c", "import tensorflow", cwd=tmp_path)
    assert "ModuleNotFoundError" in there.stderr


def test_a_geotiff_says_what_it_needs(environment: Path, tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    with rasterio.open(
        tmp_path / "scene.tif", "w", driver="GTiff", height=40, width=40, count=3, dtype="uint8", crs="EPSG:32633",
        transform=rasterio.transform.from_origin(0, 0, 10, 10), photometric="RGB",
    ) as raster:  # fmt: skip
        raster.write(np.ones((3, 40, 40), np.uint8))
    (tmp_path / "model.tflite").write_bytes(handmade.pixelwise(3, dtype="uint8"))
    done = run(environment / "segsweep", "predict", "model.tflite", "scene.tif", "--output", "out", cwd=tmp_path)
    assert done.returncode == 2
    assert "segsweep: error: scene.tif: a GeoTIFF needs rasterio" in done.stderr
    assert done.stderr.count("\n") == 1
