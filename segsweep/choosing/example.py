"""The Python example beside an exported model: NumPy, Pillow and LiteRT are all it needs.

It has the lines that this file needs and no others, so that what must be done on a device can be read from it.
"""

from segsweep.tflite.interpreter import TFLiteModel
from segsweep.tflite.metadata import Metadata

_HISTOGRAM = '''

def changed(band, table):
    """A band with its histogram {how}, as those of the training images."""
    _, places, counts = np.unique(band, return_inverse=True, return_counts=True)
    shares = np.cumsum(counts) / band.size
    shares = shares if table is None else np.interp(shares, np.linspace(0, 1, len(table)), table)
    return shares[places].reshape(band.shape)


tables = {tables}
'''
_HEAD = '''\
"""Predict the class of {what}: python predict.py {given}

Needs: pip install ai-edge-litert numpy pillow
"""

import os
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import {pillow}

here = Path(__file__).parent
labels = (here / "labels.txt").read_text(encoding="utf-8").splitlines()
mean = np.array({mean}, np.float32)
std = np.array({std}, np.float32)
'''
_RUN = """\
# What LiteRT says on the terminal of how it computes is left out; what goes wrong it raises.
terminal, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
os.dup2(nowhere, 2)
try:
    model = Interpreter(str(here / "model.tflite"))
    model.allocate_tensors()
finally:
    os.dup2(terminal, 2)
model.set_tensor(model.get_input_details()[0]["index"], x[None].astype("{dtype}"))
model.invoke()
logits = model.get_tensor(model.get_output_details()[0]["index"])[0]
"""
_MASK = """\
ids = logits[:{height}, :{width}].argmax(axis=-1).astype(np.uint8)
mask = Image.fromarray(ids)
mask.putpalette({palette})
mask.save(sys.argv[2])
for number, name in enumerate(labels):
    print(f"{{(ids == number).mean():7.2%}}  {{name}}")
"""
_CLASS = """\
logits = logits.ravel().astype(np.float32){scaled}
shares = np.exp(logits - logits.max())
shares /= shares.sum()
for number in np.argsort(-shares, kind="stable")[:5]:
    print(f"{{shares[number]:7.2%}}  {{labels[number]}}")
"""


def is_picture(metadata: Metadata) -> bool:
    """Whether the images are ordinary pictures, which any program reads."""
    return len(metadata.bands) == 3 and metadata.dtype in ("uint8", "") and metadata.rgb == (0, 1, 2)


def example(metadata: Metadata, model: TFLiteModel, size: tuple[int, int], *, resized: bool) -> str:
    """A Python program that predicts with the file `model.tflite` beside it.

    Args:
        metadata: of the file.
        model: the file.
        size: height and width of the images that it was scored on, before they were padded.
        resized: whether they were made that large, or small, from pictures of any size.
    """
    (height, width), port = size, model.input_port
    by_pixel = model.output_size == model.input_shape[:2]
    histogram = metadata.histogram != "none"
    given = "IMAGE.png" if is_picture(metadata) else "IMAGE.npy"
    parts = [
        _HEAD.format(
            what="each pixel of an image" if by_pixel else "an image",
            given=f"{given} MASK.png" if by_pixel else given,
            mean=[*map(_short, metadata.mean)],
            std=[*map(_short, metadata.std)],
            pillow="Image, ImageOps" if is_picture(metadata) else "Image",
        ),
        _histogram(metadata) if histogram else "",
        "\n",
        _read(metadata, size, resized=resized),
    ]
    if histogram:
        parts.append(
            "image = np.stack([changed(image[..., band], table) for band, table in enumerate(tables)], axis=-1)\n"
        )
    parts.append("x = (image - mean) / std\n")
    if size != port.shape[:2]:
        below, right = port.shape[0] - height, port.shape[1] - width
        parts.append(f'x = np.pad(x, ((0, {below}), (0, {right}), (0, 0)), mode="reflect")\n')
    if port.quantized:
        scale, limits = f"np.float32({_short(port.scale)})", f"{port.lowest}, {port.highest}"
        parts.append(f"x = np.clip(np.rint(x / {scale}) + {port.zero_point}, {limits})\n")
    parts.append(_RUN.format(dtype=port.dtype))
    palette = [value for colour in metadata.palette for value in colour]
    answer = model.output_port
    scaled = f" * np.float32({_short(answer.scale)})" if answer.quantized else ""
    parts.append(
        _MASK.format(height=height, width=width, palette=palette) if by_pixel else _CLASS.format(scaled=scaled)
    )
    return "".join(parts)


def _read(metadata: Metadata, size: tuple[int, int], *, resized: bool) -> str:
    height, width = size
    bands = " ".join(", ".join(metadata.bands).split())
    if is_picture(metadata):
        fitted = f".resize(({width}, {height}), Image.Resampling.BILINEAR)" if resized else ""
        picture = f'ImageOps.exif_transpose(Image.open(sys.argv[1])).convert("RGB"){fitted}'
        return f"# {width} x {height} pixels: {bands}\nimage = np.asarray({picture}, np.float32)\n"
    dtype = f" as {metadata.dtype}" if metadata.dtype else ""
    return (
        f"# ({height}, {width}, {len(metadata.bands)}), stored{dtype} in the units of the training images; its bands:\n"
        f"# {bands}\nimage = np.load(sys.argv[1]).astype(np.float32)\n"
    )


def _histogram(metadata: Metadata) -> str:
    tables: list[list[float] | None] = [list(band) for band in metadata.histogram_table] or [None] * len(metadata.bands)
    how = {"equalize": "equalized", "match": "matched"}[metadata.histogram]
    return _HISTOGRAM.format(how=how, tables=tables)


def _short(value: float) -> float:
    """The number that float32 holds, in as few digits as say it."""
    return float(f"{value:.9g}")
