"""Profiles of files that are known: which operators, what they compute with, and what they add up to."""

import json
import time

import numpy as np
import pytest
import small_unet
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from handmade_models import convolution, weights

from segsweep.devices.graph import read_graph
from segsweep.devices.multiplications import multiplications
from segsweep.errors import ModelError
from segsweep.profiling.profile import Profile, profile
from segsweep.profiling.profile_text import CSV_COLUMNS, profile_csv, profile_text
from segsweep.quantization.mixed import quantize_mixed
from segsweep.quantization.recipe import LayerChoice, Recipe
from segsweep.tflite.census import census
from segsweep.tflite.flatbuffer import pack, unpack

SECONDS = 0.3


def profiled(model: bytes) -> Profile:
    return profile(model, threads=1, seconds=SECONDS)


@pytest.mark.parametrize("name", ["float32", "int8", "weight_only_int8", "float16", "dynamic_range"])
def test_every_operator_that_computes_is_measured_with_its_types_and_multiplications(name: str) -> None:
    file = small_unet.float_file("nearest") if name == "float32" else small_unet.variant_file("nearest", name)
    found = profiled(file)
    counted = census(file)
    unpacking = sum(op.dequantized for op in counted.compute)
    assert len(found.operators) == sum(counted.ops.values()) - unpacking
    assert all(each.ms is not None and each.ms > 0 for each in found.operators)
    weighted = [each for each in found.operators if each.macs]
    assert [each.types for each in weighted] == [f"{op.activations} x {op.weights}" for op in counted.compute]
    assert sum(each.macs for each in weighted) == multiplications(read_graph(file))
    assert found.whole_ms > 0
    assert found.sum_ms == pytest.approx(sum(each.ms or 0.0 for each in found.operators))
    assert sum(found.share(*numbers) for numbers in found.by_name().values()) == pytest.approx(1.0)
    assert found.islands == ()
    assert found.kernels == "xnnpack"
    assert not {each.label for each in found.operators} & {"", "strided_unet"}


@pytest.mark.slow
def test_operators_alone_add_up_to_the_whole() -> None:
    """Of a file large enough that what an invoke costs beside computing does not matter."""
    shares = []
    for _ in range(3):  # what else the machine does may spoil one
        found = profiled(convolution(*weights(16, 16, side=5), size=(128, 128), softmax=True))
        shares.append(found.sum_ms / found.whole_ms)
    assert np.median(shares) == pytest.approx(1.0, abs=0.25)


def test_the_layer_that_multiplies_most_takes_most() -> None:
    """Two convolutions, of which one has 81 times as many multiplications."""
    file = convolution(*weights(8, 8, side=9), size=(64, 64))
    content = unpack(file)
    graph = content.subgraphs[0]
    more = unpack(convolution(*weights(8, 8, side=1), size=(64, 64)))
    for tensor in more.subgraphs[0].tensors[1:]:
        content.buffers.append(more.buffers[tensor.buffer])
        tensor.buffer, tensor.name = len(content.buffers) - 1, b"small"
        graph.tensors.append(tensor)
    (operator,) = more.subgraphs[0].operators
    operator.inputs, operator.outputs = [graph.outputs[0], 4, 5], [6]
    graph.operators.append(operator)
    graph.outputs, content.signatureDefs = [6], []
    large, small = profiled(pack(content)).operators
    assert large.macs == 81 * small.macs == 81 * 64 * 64 * 8 * 8
    assert large.ms is not None
    assert small.ms is not None
    assert large.ms > 3 * small.ms
    assert large.ns_per_mac == pytest.approx(large.ms * 1e6 / large.macs)


def test_float_islands_of_a_mixed_file_are_named_with_their_conversions() -> None:
    from segsweep.quantization.layers import layers

    float_model = small_unet.float_file("nearest")
    third = layers(float_model)[2]
    recipe = Recipe({each.name: LayerChoice("float32" if each == third else "int8") for each in layers(float_model)})
    file = quantize_mixed(float_model, recipe, small_unet.calibration("nearest"))
    found = profiled(file)
    assert len(found.islands) == 1
    (island,) = found.islands
    by_number = {each.number: each for each in found.operators}
    assert "float32 x float32" in [by_number[number].types for number in island.operators]
    assert {by_number[number].name for number in island.conversions} == {"DEQUANTIZE", "QUANTIZE"}
    text = profile_text(found)
    assert "Float in a file of integers" in text
    assert "CONV_2D" in text.partition("Float in a file of integers")[2]
    rows = [line.split(",") for line in profile_csv(found).splitlines()]
    assert tuple(rows[0]) == CSV_COLUMNS
    marked = {int(row[0]) for row in rows[1:] if row[-1] == "1"}
    assert marked == {*island.operators, *island.conversions}


def test_text_shows_the_longest_and_sums_up_the_rest() -> None:
    found = profiled(small_unet.variant_file("nearest", "int8"))
    text = profile_text(found, top=2)
    longest = max(found.operators, key=lambda each: each.ms or 0.0)
    first = text.splitlines()[4]
    assert longest.label in first
    assert f"{found.share(longest.number):.1%}" in first
    assert f"the other {len(found.operators) - 2}" in text
    assert f"{found.sum_ms / found.whole_ms:.0%} of it" in text
    assert Profile.of(json.loads(json.dumps(found.as_dict()))) == found


def test_what_does_not_add_up_is_said() -> None:
    found = profiled(small_unet.variant_file("nearest", "int8"))

    def said(whole_ms: float) -> str:
        return profile_text(Profile(**{**vars(found), "whole_ms": whole_ms})).splitlines()[0]

    assert "That does not add up (the whole takes more" in said(10 * found.sum_ms)
    assert "That does not add up (what an invoke takes beside computing" in said(found.sum_ms / 10)
    assert "add up (" not in said(found.sum_ms)


def test_sizes_that_the_file_leaves_open_are_those_of_the_run() -> None:
    content = unpack(small_unet.float_file("nearest"))
    for tensor in content.subgraphs[0].tensors:
        if tensor.name is not None and len(tensor.shape) == 4 and content.buffers[tensor.buffer].data is None:
            tensor.shapeSignature = np.array([-1, *tensor.shape[1:]], np.int32)
    found = profiled(pack(content))
    assert all(each.ms is not None for each in found.operators)


def test_an_operator_that_cannot_run_alone_is_left_out_of_the_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    from segsweep.profiling import operator_files

    cut = operator_files.cut

    def refusing(content: schema.ModelT, operators: list[int], shapes: dict) -> object:
        if operators == [0]:
            raise ValueError("not alone")
        return cut(content, operators, shapes)

    monkeypatch.setattr(operator_files, "cut", refusing)
    found = profiled(small_unet.variant_file("nearest", "int8"))
    assert found.operators[0].ms is None
    assert found.sum_ms == pytest.approx(sum(each.ms or 0.0 for each in found.operators[1:]))
    assert f"cannot be run alone: CONV_2D {found.operators[0].label}." in profile_text(found)


def test_no_file_and_one_of_another_kind_are_refused() -> None:
    with pytest.raises(ModelError, match=r"not a \.tflite file"):
        profiled(b"something else")
    with pytest.raises(ModelError, match=r"damaged|unknown"):
        profiled(small_unet.float_file("nearest")[:2000])


def test_a_file_that_only_xnnpack_runs_is_measured_on_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    from segsweep.profiling import operator_files

    run = operator_files._run

    def refusing(model: bytes, resolver: OpResolverType, *, keep: bool) -> operator_files.WholeRun:
        if resolver != OpResolverType.AUTO:
            raise RuntimeError("the builtin kernels do not prepare it")
        return run(model, resolver, keep=keep)

    monkeypatch.setattr(operator_files, "_run", refusing)
    found = profiled(small_unet.variant_file("nearest", "int8"))
    assert all(each.ms is not None for each in found.operators)


def test_with_one_thread_other_work_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Invokes that wait, as they do where others compute, take no longer."""
    invoke = Interpreter.invoke

    def waiting(interpreter: Interpreter) -> None:
        invoke(interpreter)
        time.sleep(0.02)

    monkeypatch.setattr(Interpreter, "invoke", waiting)
    found = profiled(small_unet.variant_file("nearest", "int8"))
    assert found.wall_ms > 20
    assert found.whole_ms < 10
    assert "by the clock on the wall an image took 2" in profile_text(found)
    assert profile(small_unet.variant_file("nearest", "int8"), threads=2, seconds=SECONDS).whole_ms > 20
