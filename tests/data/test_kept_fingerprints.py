"""Data without anything that is no data keep the fingerprints they had before no data was looked for.

The files are written byte for byte by hand, so that no library's version has a part in them.
"""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segsweep.config.data_schema import ImageFolderConfig, NpzConfig, PatchConfig
from segsweep.data.sources import load_dataset, remarks

pytest.importorskip("rasterio")


def numbers(seed: int, shape: tuple[int, ...], high: int, dtype) -> np.ndarray:
    """Whole numbers below `high` that follow from the seed by arithmetic alone."""
    steps = np.arange(np.prod(shape), dtype=np.int64) * 7919 * (seed + 1) // 3
    return (steps % high).reshape(shape).astype(dtype)


def write_tiff(path: Path, pixels: np.ndarray) -> None:
    """(H, W, C) as a TIFF 6.0 file in one strip without compression."""
    height, width, bands = pixels.shape
    bits = [8 * pixels.dtype.itemsize] * bands
    extra = [0] * (bands - 1)
    count = 11 if extra else 10
    lists = 8 + 2 + 12 * count + 4
    first = lists + 2 * (len(bits) + len(extra))
    tags: list[tuple[int, int, list[int]]] = [
        (256, 3, [width]), (257, 3, [height]), (258, 3, bits), (259, 3, [1]), (262, 3, [1]), (273, 4, [first]),
        (277, 3, [bands]), (278, 3, [height]), (279, 4, [pixels.nbytes]), (284, 3, [1]),
        *([(338, 3, extra)] if extra else []),
    ]  # fmt: skip
    head, tail = b"", b""
    for tag, kind, values in tags:
        data = struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(data) > 4:
            head += struct.pack("<HHII", tag, kind, len(values), lists + len(tail))
            tail += data
        else:
            head += struct.pack("<HHI4s", tag, kind, len(values), data)
            tail += bytes(len(data)) if tag in (258, 338) else b""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + head + bytes(4) + tail + content)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    (folder / "p").mkdir()
    (folder / "m").mkdir()
    for index in range(8):
        write_tiff(folder / f"images/{index}.tif", numbers(index, (20, 24, 5), 9001, np.uint16))
        write_tiff(folder / f"masks/{index}.tif", numbers(index, (20, 24, 1), 2, np.uint8))
        Image.fromarray(numbers(index, (20, 24, 3), 251, np.uint8)).save(folder / f"p/{index}.bmp")
        Image.fromarray(numbers(index, (20, 24), 2, np.uint8)).save(folder / f"m/{index}.bmp")
    for dtype in (np.uint16, np.float32):
        images, labels = numbers(3, (10, 20, 24, 4), 9001, dtype), numbers(4, (10, 20, 24), 2, np.int64)
        np.savez(folder / f"{np.dtype(dtype)}.npz", X=images, Y=labels)
    return folder


RASTERS = {"images": "images/*.tif", "masks": "masks/*.tif", "classes": ["a", "b"]}
PICTURES = {"images": "p/*.bmp", "masks": "m/*.bmp", "classes": ["a", "b"]}
KEPT = {
    "rasters": (
        lambda root: ImageFolderConfig(root=root, **RASTERS),
        ["2d7b020aa8d49bbf", "4c7713ddcc32ea41", "8a8154c03a42960d"],
        (4506.264, 4491.631),
    ),
    "rasters, cut": (
        lambda root: ImageFolderConfig(root=root, **RASTERS, patch=PatchConfig(size=16), channels=[4, 0]),
        ["aff2e9a6a8cba525", "d2afd23f1ee0d3f3", "55b64aa5bc16cdf1"],
        (4473.741, 4499.4707),
    ),
    "rasters, resized": (
        lambda root: ImageFolderConfig(root=root, **RASTERS, size=[16, 16]),
        ["eeba9fb47bd32aab", "4e8318be7a9ae794", "cf70732fd9b32d4d"],
        (4506.9624, 4489.667),
    ),
    "pictures": (
        lambda root: ImageFolderConfig(root=root, **PICTURES),
        ["a53606fb98a6eeff", "b063c09d1271282a", "de35e38fd2b8bb9e"],
        (125.405, 124.830414),
    ),
    "pictures, equalized": (
        lambda root: ImageFolderConfig(root=root, **PICTURES, histogram="equalize"),
        ["797ca1dd5f5cd506", "6573f0f8c2f6f82f", "468059a951a974bd"],
        (0.5020356, 0.5020356),
    ),
    "archive": (
        lambda root: NpzConfig(train=f"{root}/uint16.npz"),
        ["cf4cfed2f1371b16", "aa7aea8e1bc01aa4", "b46834299e62f884"],
        (4485.2705, 4458.386),
    ),
    "archive of floats": (
        lambda root: NpzConfig(train=f"{root}/float32.npz", normalize="percentile"),
        ["0c5a17dc18fec270", "ae95fd8be98f0c04", "e3ef21e0b6e85eca"],
        (4525.25, 4430.8),
    ),
    "archive, cut": (
        lambda root: NpzConfig(train=f"{root}/uint16.npz", patch=PatchConfig(size=16, stride=8)),
        ["e7ce0cae88abd02e", "14fb17b53b7204b5", "d4b4132b4626c1b4"],
        (4482.5464, 4457.9956),
    ),
}
"""Settings, the beginnings of the fingerprints, and means of the first two bands, as computed before.

Those of validation and test patches that overlap are of patches in which each pixel counts once."""


@pytest.mark.parametrize("case", KEPT)
def test_fingerprints_are_kept(root, case):
    config, fingerprints, means = KEPT[case]
    dataset = load_dataset(config(str(root)))
    splits = (dataset.train, dataset.validation, dataset.test)
    assert [split.fingerprint[:16] for split in splits] == fingerprints
    np.testing.assert_allclose(dataset.normalization.mean[:2], means, rtol=1e-6)
    assert not [line for line in remarks(dataset) if "data" in line]
