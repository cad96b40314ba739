"""The Python example beside an exported model: NumPy, Pillow and LiteRT are all it needs."""

from segsweep.tflite.metadata import Metadata

_PICTURE = """\
# {bands}; pictures of less than {height} x {width} are continued by reflection
image = np.asarray(Image.open(sys.argv[1]).convert("RGB"){resized}, np.float32)
"""
_ARRAY = """\
# (height, width, bands) of at most {height} x {width}, in the units of the training images ({dtype}); the bands are
# {bands}
image = np.load(sys.argv[1]).astype(np.float32)
"""
_HISTOGRAM = '''

def changed(band, table):
    """A band with its histogram {how}, as those of the training images."""
    _, places, counts = np.unique(band, return_inverse=True, return_counts=True)
    shares = np.cumsum(counts) / band.size
    shares = shares if table is None else np.interp(shares, np.linspace(0, 1, len(table)), table)
    return shares[places].reshape(band.shape)


tables = {tables}
'''
_CHANGE = "image = np.stack([changed(image[..., band], table) for band, table in enumerate(tables)], axis=-1)\n"
_TEMPLATE = '''\
"""Predict the class of each pixel of an image: python predict.py {given} MASK.png

Needs: pip install ai-edge-litert numpy pillow
"""

import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

here = Path(__file__).parent
mean = np.array({mean}, np.float32)
std = np.array({std}, np.float32)
colours = {palette}
{histogram}
{read}{change}x = (image - mean) / std

model = Interpreter(str(here / "model.tflite"))
model.allocate_tensors()
source, result = model.get_input_details()[0], model.get_output_details()[0]
height, width = source["shape"][1:3]
x = np.pad(x, ((0, height - x.shape[0]), (0, width - x.shape[1]), (0, 0)), mode="reflect")
scale, zero_point = source["quantization"]
if scale:  # an integer model
    limits = np.iinfo(source["dtype"])
    x = np.clip(np.rint(x / np.float32(scale)) + zero_point, limits.min, limits.max)
model.set_tensor(source["index"], x[None].astype(source["dtype"]))
model.invoke()
ids = model.get_tensor(result["index"])[0].argmax(axis=-1).astype(np.uint8)[: image.shape[0], : image.shape[1]]

mask = Image.fromarray(ids)
mask.putpalette([value for colour in colours for value in colour])
mask.save(sys.argv[2])
for number, name in enumerate((here / "labels.txt").read_text(encoding="utf-8").splitlines()):
    print(f"{{(ids == number).mean():7.2%}}  {{name}}")
'''


def is_picture(metadata: Metadata) -> bool:
    """Whether the images are ordinary pictures, which any program reads."""
    return len(metadata.bands) == 3 and metadata.dtype in ("uint8", "") and metadata.rgb == (0, 1, 2)


def example(metadata: Metadata, size: tuple[int, int], *, resized: bool) -> str:
    """A Python program that predicts with the file `model.tflite` beside it.

    Args:
        metadata: of the file.
        size: height and width of the images that it was scored on.
        resized: whether they were made that large, or small, from pictures of any size.
    """
    height, width = size
    picture = is_picture(metadata)
    read = (_PICTURE if picture else _ARRAY).format(
        bands=" ".join(", ".join(metadata.bands).split()),
        height=height,
        width=width,
        resized=f".resize(({width}, {height}), Image.Resampling.BILINEAR)" if resized else "",
        dtype=metadata.dtype or "any numbers",
    )
    histogram = change = ""
    if metadata.histogram != "none":
        tables: list[list[float] | None] = [list(band) for band in metadata.histogram_table] or [None] * len(
            metadata.bands
        )
        histogram = _HISTOGRAM.format(
            how={"equalize": "equalized", "match": "matched"}[metadata.histogram], tables=tables
        )
        change = _CHANGE
    return _TEMPLATE.format(
        given="IMAGE.png" if picture else "IMAGE.npy",
        mean=[*map(_short, metadata.mean)],
        std=[*map(_short, metadata.std)],
        palette=[list(colour) for colour in metadata.palette],
        histogram=histogram,
        read=read,
        change=change,
    )


def _short(value: float) -> float:
    """The number that float32 holds, in as few digits as say it."""
    return float(f"{value:.9g}")
