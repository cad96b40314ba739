"""TensorFlow Lite Micro against LiteRT's reference kernels, and what we say of it against what it says."""

import subprocess
import sys

import flatbuffers
import numpy as np
import pytest
import small_unet
from ai_edge_litert import schema_py_generated as schema
from tf_keras import layers

from segsweep.devices import micro
from segsweep.devices.footprint import footprint
from segsweep.devices.micro_limits import MICRO_OPERATORS
from segsweep.tflite.flatbuffer import pack, unpack

needs_micro = pytest.mark.skipif(not micro.is_installed(), reason="tflite-micro is absent: pip install segsweep[micro]")


@needs_micro
@pytest.mark.parametrize(
    ("upsampling", "name"),
    [
        ("nearest", "int8"),
        ("bilinear", "int8"),
        ("transposed", "int8"),
        ("nearest", "int4"),
        ("transposed", "int4"),
        ("nearest", "int16x8"),
        ("transposed", "int16x8"),
    ],
)
def test_micro_computes_what_the_reference_kernels_do_bit_for_bit(upsampling: str, name: str) -> None:
    found = footprint(small_unet.variant_file(upsampling, name))
    assert found.problems == ()
    assert found.micro is not None
    assert (found.micro.error, found.micro.equal, found.micro.same_class) == ("", 1.0, 1.0)
    # Our plan is that of its planner; what comes on top are structures for each tensor and operator.
    assert found.micro.tensor_bytes == found.arena_bytes
    assert found.micro.arena_bytes is not None
    assert 0 < found.micro.arena_bytes - found.arena_bytes < 16 * 1024


@needs_micro
@pytest.mark.parametrize(
    ("upsampling", "name", "foreseen", "said"),
    [
        ("transposed", "float16", "DEQUANTIZE of float16", "Node DEQUANTIZE"),
        ("transposed", "dynamic_range", "float activations with integer weights", "Hybrid models"),
        ("bilinear", "int16x8", "RESIZE_BILINEAR of int16", "Output type is 7"),
    ],
)
def test_what_micro_refuses_is_foreseen_and_named(upsampling: str, name: str, foreseen: str, said: str) -> None:
    found = footprint(small_unet.variant_file(upsampling, name))
    assert foreseen in found.problems[0]
    assert found.micro is not None
    assert said in found.micro.error
    assert "\n" not in found.micro.error


@needs_micro
def test_what_micro_computes_wrongly_is_foreseen_and_seen() -> None:
    found = footprint(small_unet.variant_file("transposed", "weight_only_int8"))
    assert any("first channel" in each for each in found.problems)
    assert found.micro is not None
    assert found.micro.equal is not None
    assert found.micro.equal < 0.5


def test_without_the_package_the_file_alone_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(micro, "PACKAGE", "no_such_package")
    found = footprint(small_unet.variant_file("transposed", "dynamic_range"))
    assert found.micro is None
    assert "float activations" in found.problems[0]
    assert found.memory_bytes == found.arena_bytes >= found.peak_bytes
    assert {"memory/peak_bytes", "memory/arena_bytes", "model/macs"} == found.metrics().keys()


@pytest.mark.parametrize("upsampling", ["transposed", "nearest"])
def test_multiplications_are_those_of_the_keras_layers(upsampling: str) -> None:
    expected = 0
    for layer in small_unet.trained(upsampling).layers:
        if isinstance(layer, layers.Conv2DTranspose):
            expected += int(np.prod(layer.input_shape[1:3])) * int(np.prod(layer.kernel.shape))
        elif isinstance(layer, layers.Conv2D):
            expected += int(np.prod(layer.output_shape[1:3])) * int(np.prod(layer.kernel.shape))
    assert footprint(small_unet.float_file(upsampling), micro=False).macs == expected


@needs_micro
def test_weights_behind_the_flatbuffer_are_foreseen_and_seen() -> None:
    content = unpack(small_unet.variant_file("transposed", "int8"))
    inside = footprint(pack(content))
    found = footprint(_with_data_behind(content))
    assert inside.problems == ()
    assert "behind the flatbuffer" in found.problems[0]
    assert (found.arena_bytes, found.macs) == (inside.arena_bytes, inside.macs)
    assert found.micro is not None
    assert found.micro.equal is not None
    assert found.micro.equal < 1


@needs_micro
@pytest.mark.parametrize("name", ["GELU", "TILE", "POW", "RESIZE_BILINEAR", "HARD_SWISH", "TRANSPOSE_CONV"])
def test_the_list_of_operators_is_that_of_the_package(name: str) -> None:
    said = subprocess.run(
        [sys.executable, "-c", _LOAD], input=_only(getattr(schema.BuiltinOperator, name)), capture_output=True
    ).stderr
    assert (b"Didn't find op" in said) == (name not in MICRO_OPERATORS)


@needs_micro
def test_a_process_that_dies_is_an_answer() -> None:
    found = micro.run_micro(_only(schema.BuiltinOperator.MEAN), 1000, 0)
    assert found is not None
    assert "status -" in found.error


_LOAD = """
import sys
from tflite_micro import runtime
runtime.Interpreter.from_bytes(sys.stdin.buffer.read(), arena_size=1 << 16)
"""


def _with_data_behind(content: schema.ModelT) -> bytes:
    """The file with the data of its buffers behind the flatbuffer, as litert-quantizer writes large ones."""
    kept = [bytes(buffer.data) if buffer.data is not None else b"" for buffer in content.buffers]
    padded = [data.ljust(-(-len(data) // 16) * 16, b"\0") for data in kept]
    start = 16
    for _ in range(2):  # where they begin is known once it is known how long the flatbuffer is
        offset = start
        for buffer, data, room in zip(content.buffers, kept, padded, strict=True):
            if data:
                buffer.data, buffer.offset, buffer.size = None, offset, len(data)
                offset += len(room)
        builder = flatbuffers.Builder(1024)
        builder.Finish(content.Pack(builder), b"TFL3")
        flatbuffer = bytes(builder.Output())
        start = -(-len(flatbuffer) // 16) * 16
    return flatbuffer.ljust(start, b"\0") + b"".join(padded)


def _only(code: int) -> bytes:
    """A file with one operator, which has no settings."""
    content, graph, operator, operator_code = (
        schema.ModelT(),
        schema.SubGraphT(),
        schema.OperatorT(),
        schema.OperatorCodeT(),
    )
    operator_code.builtinCode, operator_code.deprecatedBuiltinCode, operator_code.version = code, min(code, 127), 1
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0], [1]
    for name in ("a", "b"):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = name, [1, 4, 4, 1], 0
        graph.tensors = [*(graph.tensors or []), tensor]
    graph.inputs, graph.outputs, graph.operators = [0], [1], [operator]
    content.version, content.operatorCodes, content.subgraphs = 3, [operator_code], [graph]
    content.buffers = [schema.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(content.Pack(builder), b"TFL3")
    return bytes(builder.Output())
