"""What one needs to know to predict with a file, kept inside the file as JSON: one `.tflite` is enough."""

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

import segsweep
from segsweep.errors import ModelError
from segsweep.tflite.flatbuffer import pack, unpack, verify

ENTRY = "segsweep.json"
"""Name of the entry in the flatbuffer's `Model.metadata`."""
FORMAT_VERSION = 1
_LATER: Mapping[str, Any] = {"nodata": None, "alpha_is_band": False}
"""Fields that came later, with the value that is left out, so that the file stays byte for byte as it was."""


@dataclass(frozen=True)
class Metadata:
    """What was known about a model when it was exported."""

    classes: tuple[str, ...]
    """Class names in the order of the output's channels."""
    palette: tuple[tuple[int, int, int], ...]
    """A colour (red, green, blue; 0..255) for each class."""
    bands: tuple[str, ...]
    """Band names in the order of the input's channels."""
    rgb: tuple[int, int, int]
    """The channels to show as red, green and blue."""
    mean: tuple[float, ...]
    """By band; the model's input is `(x - mean) / std`."""
    std: tuple[float, ...]
    """By band."""
    quantization: str
    """The variant's name, one of `segsweep.quantization.variants.VARIANTS`."""
    training_key: str
    variant_key: str
    data: str
    """Name of the data source it was trained on."""
    histogram: str = "none"
    """What is done to each image first, as `data.histogram`: `none`, `equalize` or `match`."""
    histogram_table: tuple[tuple[float, ...], ...] = ()
    """For `match`, by band: the reference's quantiles from 0 to 1, evenly spaced."""
    dtype: str = ""
    """Data type of the images as they were stored, as `uint16`; empty where that is not known."""
    output: str = "logits"
    """What the output's channels are: `logits`, a number for each class, the largest wins."""
    nodata: float | None = None
    """Value that is no data in images that do not declare one, as `data.nodata`; left out of the file where None."""
    alpha_is_band: bool = False
    """Whether a band that the training's files tag as alpha was a band like others; left out of the file where not."""
    segsweep_version: str = segsweep.__version__
    format_version: int = FORMAT_VERSION


def embed(model: bytes, metadata: Metadata) -> bytes:
    """The file with the metadata in it, in place of any it had; nothing else changes but the padding between tensors.

    The same arguments give the same bytes. Raises ModelError for what is not a `.tflite` file.
    """
    content = unpack(model)
    values = {name: value for name, value in asdict(metadata).items() if name not in _LATER or value != _LATER[name]}
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    data = np.frombuffer(text.encode(), np.uint8)
    content.metadata = content.metadata or []
    for entry in content.metadata:
        if entry.name == ENTRY.encode() and entry.buffer < len(content.buffers):
            content.buffers[entry.buffer].data = data
            return pack(content)
    buffer = schema.BufferT()
    buffer.data = data
    entry = schema.MetadataT()
    entry.name, entry.buffer = ENTRY, len(content.buffers)
    content.buffers.append(buffer)
    content.metadata.append(entry)
    return pack(content)


def read(model: bytes) -> Metadata | None:
    """The metadata in a `.tflite` file; None where there is none, as in files that others made.

    Raises ModelError for what is not a `.tflite` file, and for metadata of a newer or damaged format.
    """
    verify(model)
    content = schema.Model.GetRootAs(model, 0)
    for index in range(content.MetadataLength()):
        entry = content.Metadata(index)
        if entry.Name() == ENTRY.encode() and entry.Buffer() < content.BuffersLength():
            return _parse(content.Buffers(entry.Buffer()).DataAsNumpy().tobytes())
    return None


def _parse(text: bytes) -> Metadata:
    try:
        values = json.loads(text)
        if values["format_version"] > FORMAT_VERSION:
            raise ModelError(
                f"the .tflite file's metadata have format {values['format_version']}, this segsweep reads up to "
                f"{FORMAT_VERSION}: use segsweep {values.get('segsweep_version', 'of a later version')} or later"
            )
        # Files from before a field was there have its default.
        known = [each for each in fields(Metadata) if each.name in values or each.default is MISSING]
        return Metadata(**{each.name: _READERS[each.name](values[each.name]) for each in known})
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"the .tflite file's metadata ({ENTRY}) are damaged: {error!r}") from error


def _strings(values: list[str]) -> tuple[str, ...]:
    return tuple(map(str, values))


def _floats(values: list[float]) -> tuple[float, ...]:
    return tuple(map(float, values))


def _triple(values: list[int]) -> tuple[int, int, int]:
    first, second, third = values
    return int(first), int(second), int(third)


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "classes": _strings,
    "palette": lambda colours: tuple(map(_triple, colours)),
    "bands": _strings,
    "rgb": _triple,
    "mean": _floats,
    "std": _floats,
    "quantization": str,
    "training_key": str,
    "variant_key": str,
    "data": str,
    "histogram": str,
    "histogram_table": lambda bands: tuple(map(_floats, bands)),
    "dtype": str,
    "output": str,
    "nodata": lambda value: None if value is None else float(value),
    "alpha_is_band": bool,
    "segsweep_version": str,
    "format_version": int,
}
