"""What a variant run shows of its predictions: sample masks as arrays, and as a picture for the MLflow UI."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from segsweep.data.dataset import IGNORE, Dataset
from segsweep.data.pictures import GREY, coloured, mosaic, png
from segsweep.evaluation.evaluator import Evaluation
from segsweep.evaluation.flips import FLIP_COLOURS, FLIP_MEANINGS, FLIP_NAMES, SAME, flips, possible_flips
from segsweep.evaluation.samples import Samples, read_samples, stored_samples, take_samples
from segsweep.tracking import names

_WIDTH, _TILE = 1040, 192
_MARGIN = 12
_TEXT = 14
_LINE = 22
_MOST_CLASSES = 24
_INK, _PAPER = (30, 30, 30), (255, 255, 255)
_FADED = 0.35
"""How much of an image is left under its flips."""


def sample_files(dataset: Dataset, evaluation: Evaluation, baseline: bytes | None) -> dict[str, bytes]:
    """The artifacts, by path; `baseline` is the file of samples of the baseline, None for the baseline itself."""
    samples = take_samples(dataset, evaluation.predictions)
    compared = read_samples(baseline) if baseline is not None else None
    return {names.SAMPLES_FILE: stored_samples(samples), names.GALLERY_FILE: png(gallery(samples, compared))}


def gallery(samples: Samples, baseline: Samples | None) -> Image.Image:
    """A row an image: input, truth, prediction and, where there is a baseline of the same images, flips against it."""
    if baseline is not None and not np.array_equal(baseline.indices, samples.indices):
        baseline = None
    titles = ["input", "truth", "prediction", *(["against float32"] if baseline is not None else [])]
    rows = [
        [
            samples.images[each],
            coloured(samples.truth[each], samples.palette),
            coloured(samples.predictions[each], samples.palette),
        ]
        for each in range(len(samples.indices))
    ]
    if baseline is not None:
        changed = flips(samples.truth, baseline.predictions, samples.predictions)
        for row, image, where in zip(rows, samples.images, changed, strict=True):
            row.append(over_image(image, where))
    tiles = mosaic(rows, _WIDTH, _TILE)
    legend = _legend(samples, flipped=baseline is not None)
    font = _font()
    lines = _lines(legend, tiles.width, font)
    canvas = Image.new(
        "RGB", (tiles.width + 2 * _MARGIN, tiles.height + 2 * _MARGIN + _LINE * (len(lines) + 1) + _MARGIN), _PAPER
    )
    draw = ImageDraw.Draw(canvas)
    step = tiles.width / len(titles)
    for column, title in enumerate(titles):
        draw.text((_MARGIN + round(column * step), _MARGIN - 4), title, fill=_INK, font=font)
    canvas.paste(tiles, (_MARGIN, _MARGIN + _LINE))
    top = tiles.height + 2 * _MARGIN + _LINE
    for number, line in enumerate(lines):
        for left, (name, colour) in line:
            x, y = _MARGIN + left, top + number * _LINE
            draw.rectangle((x, y + 2, x + _TEXT, y + 2 + _TEXT), fill=colour, outline=(110, 110, 110))
            draw.text((x + _TEXT + 6, y), name, fill=_INK, font=font)
    return canvas


def over_image(image: np.ndarray, where: np.ndarray) -> np.ndarray:
    """An image (h, w, 3) uint8, grey and faded, with the pixels that flipped (h, w) in the colours of what they did."""
    light = image.mean(axis=2, keepdims=True)
    faded = np.repeat(255 - (255 - light) * _FADED, 3, axis=2).astype(np.uint8)
    colours = np.array([(0, 0, 0), *(FLIP_COLOURS[each] for each in FLIP_NAMES)], np.uint8)
    return np.where((where != SAME)[..., None], colours[where], faded)


def _legend(samples: Samples, *, flipped: bool) -> list[tuple[str, tuple[int, int, int]]]:
    """Names and colours of what occurs."""
    present = np.union1d(np.unique(samples.truth), np.unique(samples.predictions))
    shown = [each for each in present.tolist() if each < len(samples.classes)]
    entries = [(samples.classes[each], samples.palette[each]) for each in shown[:_MOST_CLASSES]]
    if len(shown) > _MOST_CLASSES:
        entries.append((f"and {len(shown) - _MOST_CLASSES} more", _PAPER))
    if IGNORE in present:
        entries.append(("does not count", GREY))
    if flipped:
        entries += [
            (f"{FLIP_NAMES[each]}: {FLIP_MEANINGS[each]}", FLIP_COLOURS[each])
            for each in possible_flips(len(samples.classes))
        ]
    return entries


_Entry = tuple[int, tuple[str, tuple[int, int, int]]]


def _lines(
    entries: Sequence[tuple[str, tuple[int, int, int]]], width: int, font: ImageFont.FreeTypeFont
) -> list[list[_Entry]]:
    """Entries of a legend with their left edges, as many a line as have room."""
    lines: list[list[_Entry]] = [[]]
    left = 0
    for entry in entries:
        room = round(font.getlength(entry[0])) + _TEXT + 6 + 18
        if lines[-1] and left + room > width:
            lines.append([])
            left = 0
        lines[-1].append((left, entry))
        left += room
    return lines


def _font() -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which has more alphabets than Pillow's own; it comes with matplotlib."""
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", _TEXT)
