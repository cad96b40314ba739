import dataclasses
import time

import numpy as np
import pytest
import small_unet
from ai_edge_litert import schema_py_generated as schema

from segsweep.errors import ModelError
from segsweep.tflite import metadata
from segsweep.tflite.census import census
from segsweep.tflite.flatbuffer import DATA_ALIGNMENT, pack, unpack
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.tflite.metadata import Metadata, embed, read

MEAN = np.array([0.1, 1 / 3, -2.5e-7, 1234.5], np.float32)
WRITTEN = Metadata(
    classes=("field", "wood", "Gewässer"),
    palette=((255, 0, 0), (0, 128, 0), (0, 0, 255)),
    bands=("B02", "B03", "B04", "B08"),
    rgb=(2, 1, 0),
    mean=tuple(MEAN.tolist()),
    std=(1.0, 0.5, 2.0, 3e-5),
    quantization="int8",
    training_key="a" * 64,
    variant_key="b" * 64,
    data="synthetic_parcels",
    dtype="uint16",
)


@pytest.mark.parametrize("variant", ["float32", "float16", "int8", "int16x8"])
def test_round_trip(variant: str) -> None:
    file = embed(small_unet.variant_file("nearest", variant), WRITTEN)
    assert read(file) == WRITTEN
    assert np.array(read(file).mean, np.float32).tobytes() == MEAN.tobytes()


@pytest.mark.parametrize("variant", ["float32", "int8"])
def test_model_computes_the_same(variant: str) -> None:
    plain = small_unet.variant_file("nearest", variant)
    images, _ = small_unet.blobs(4, seed=1)
    embedded = embed(plain, WRITTEN)
    assert TFLiteModel(embedded).logits(images).tobytes() == TFLiteModel(plain).logits(images).tobytes()
    assert census(embedded) == census(plain)
    assert {entry.name for entry in unpack(plain).metadata} < {entry.name for entry in unpack(embedded).metadata}


def test_replaces_what_was_there() -> None:
    plain = small_unet.float_file("nearest")
    first, second = embed(plain, WRITTEN), embed(plain, dataclasses.replace(WRITTEN, quantization="float32"))
    assert first != second
    assert embed(first, dataclasses.replace(WRITTEN, quantization="float32")) == second


def test_same_arguments_give_same_bytes() -> None:
    plain = small_unet.float_file("nearest")
    assert embed(plain, WRITTEN) == embed(plain, dataclasses.replace(WRITTEN))


def test_tensor_data_are_aligned() -> None:
    file = embed(small_unet.variant_file("nearest", "int8"), WRITTEN)
    start = np.frombuffer(file, np.uint8).ctypes.data
    model = schema.Model.GetRootAs(file, 0)
    stored = [model.Buffers(index).DataAsNumpy() for index in range(model.BuffersLength())]
    offsets = [data.ctypes.data - start for data in stored if isinstance(data, np.ndarray)]
    assert len(offsets) > 10
    assert not any(offset % DATA_ALIGNMENT for offset in offsets)


def test_files_of_others_have_none() -> None:
    assert read(small_unet.float_file("nearest")) is None


@pytest.mark.parametrize("content", [b"", b"TFL3", b"hello world" * 100])
def test_garbage_is_refused(content: bytes) -> None:
    with pytest.raises(ModelError, match=r"not a \.tflite file"):
        read(content)
    with pytest.raises(ModelError, match=r"not a \.tflite file"):
        embed(content, WRITTEN)


def test_truncated_file_is_refused() -> None:
    file = embed(small_unet.float_file("nearest"), WRITTEN)
    with pytest.raises(ModelError, match="damaged"):
        read(file[: len(file) // 2])


@pytest.mark.parametrize("text", [b"{", b"[]", b'{"format_version":1}', b"\xff\xfe"])
def test_damaged_metadata_are_refused(text: bytes) -> None:
    content = unpack(embed(small_unet.float_file("nearest"), WRITTEN))
    (entry,) = (entry for entry in content.metadata if entry.name == metadata.ENTRY.encode())
    content.buffers[entry.buffer].data = np.frombuffer(text, np.uint8)
    with pytest.raises(ModelError, match="damaged"):
        read(pack(content))


def test_newer_format_is_refused() -> None:
    file = embed(small_unet.float_file("nearest"), dataclasses.replace(WRITTEN, format_version=99))
    with pytest.raises(ModelError, match="format 99"):
        read(file)


def test_ten_megabytes_take_milliseconds() -> None:
    content = unpack(small_unet.float_file("nearest"))
    ballast = schema.BufferT()
    ballast.data = np.arange(10_000_000, dtype=np.uint32).astype(np.uint8)
    content.buffers.append(ballast)
    file = pack(content)
    start = time.perf_counter()
    assert read(embed(file, WRITTEN)) == WRITTEN
    assert time.perf_counter() - start < 0.5  # 20 ms on a quiet machine


def test_histogram_travels_and_files_from_before_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = small_unet.float_file("nearest")
    matched = dataclasses.replace(WRITTEN, histogram="match", histogram_table=((0.0, 0.1, 2.5), (1.0, 2.0, 3.0)))
    assert read(embed(plain, matched)) == matched
    values = dataclasses.asdict(WRITTEN)
    del values["histogram"], values["histogram_table"]
    monkeypatch.setattr(metadata, "asdict", lambda _: values)
    assert read(embed(plain, WRITTEN)) == WRITTEN
