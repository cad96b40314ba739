"""What is measured of one file on one set of weights, kept as files: each row whole or not at all."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segsweep.evaluation.image_counts import ImageCounts, read_counts, stored_counts

FLOAT32, INT8 = "float32", "int8"
CONVERTER, LIBRARY = "converter_int8", "library_int8"
CONTROL_FLOAT32, CONTROL_INT8 = "control_float32", "control_int8"
QAT, STOCK_QAT, MENDED_QAT = "qat_int8", "stock_qat", "stock_qat_mended"
INT4, CONTROL_INT4, QAT_INT4 = "int4", "control_int4", "qat_int4"
STEP_TIMES = "step_times"
"""Not a file: the seconds of a step, float and quantization-aware, of the sets that are timed."""

WORDS: Mapping[str, str] = {
    FLOAT32: "float32 of the float training",
    CONVERTER: "TFLiteConverter, full integer, from the Keras weights",
    LIBRARY: "litert-quantizer with its own calibration (moving average), `static_wi8_ai8`",
    INT8: "segsweep `int8`",
    CONTROL_FLOAT32: "float32 of the control, a float fine-tune as long as QAT",
    CONTROL_INT8: "segsweep `int8` of the control",
    STOCK_QAT: "stock toolkit QAT: `quantize_model`, batch norms kept",
    MENDED_QAT: "the same with the input's range mended",
    QAT: "segsweep `qat_int8`",
    INT4: "segsweep `int4`",
    CONTROL_INT4: "segsweep `int4` of the control",
    QAT_INT4: "segsweep `qat_int4`",
}
"""What each row is, in the order of the page."""


@dataclass(frozen=True)
class Row:
    """A file on a set of weights."""

    name: str
    """One of `WORDS`."""
    key: str
    """Hash of all that determines the file."""
    refused: str | None = None
    """Why there is no file."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Numbers and words for the page: `size_bytes`, `weight_bytes`, `step_seconds`, ..."""
    test: ImageCounts | None = field(default=None, repr=False)
    """Confusion counts on the test images, with their groups; None where it was refused."""
    validation: ImageCounts | None = field(default=None, repr=False)
    """The same on the validation images."""


def save(row: Row, folder: Path) -> None:
    """Write a row; it counts as there when its last file, the JSON, is."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{row.name}-{row.key[:12]}"
    for split, counts in (("test", row.test), ("validation", row.validation)):
        if counts is not None:
            _write(folder / f"{stem}.{split}.npz", stored_counts(counts))
    content = {"name": row.name, "key": row.key, "refused": row.refused, "facts": dict(row.facts)}
    _write(folder / f"{stem}.json", json.dumps(content, indent=1).encode())


def load(name: str, key: str, folder: Path) -> Row | None:
    """The row of that key; None where there is none."""
    stem = f"{name}-{key[:12]}"
    path = folder / f"{stem}.json"
    if not path.exists():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    counts = {
        split: read_counts((folder / f"{stem}.{split}.npz").read_bytes())
        for split in ("test", "validation")
        if content["refused"] is None
    }
    return Row(**content, **counts)


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(content)
    temporary.replace(path)
