"""Which operators TensorFlow Lite Micro computes otherwise: where that is known."""

import numpy as np
import pytest
import small_unet
from ai_edge_litert import schema_py_generated as schema
from predict.handmade_models import empty, operator, signed, tensor

from segsweep.devices import micro, micro_differences
from segsweep.devices.footprint import footprint
from segsweep.devices.graph import read_graph
from segsweep.devices.micro_differences import unequal_operators

needs_micro = pytest.mark.skipif(not micro.is_installed(), reason="tflite-micro is absent: pip install segsweep[micro]")
ARENA = 1 << 22


def squared() -> bytes:
    """An int16 image times itself, and a copy of that by a RESHAPE: of 500 products Micro rounds one otherwise."""
    content = empty()
    scales = (3.530585630408593e-05, 2.5805673601715064e-05)
    image, product, logits = (tensor(content, name, (1, 64, 64, 4)) for name in ("image", "product", "logits"))
    graph = content.subgraphs[0]
    for each, scale in zip(graph.tensors, (scales[0], scales[1], scales[1]), strict=True):
        each.type = schema.TensorType.INT16
        each.quantization = schema.QuantizationParametersT()
        each.quantization.scale, each.quantization.zeroPoint = np.array([scale], np.float32), np.array([0])
    operator(content, schema.BuiltinOperator.MUL, [image, image], [product],
             schema.BuiltinOptions.MulOptions, schema.MulOptionsT())  # fmt: skip
    options = schema.ReshapeOptionsT()
    options.newShape = [1, 64, 64, 4]
    operator(
        content, schema.BuiltinOperator.RESHAPE, [product], [logits], schema.BuiltinOptions.ReshapeOptions, options
    )
    graph.inputs, graph.outputs = [image], [logits]
    return signed(content)


@needs_micro
def test_the_operator_that_differs_is_named_and_no_other() -> None:
    found = footprint(squared()).micro
    assert found is not None
    assert found.equal is not None
    assert found.equal < 1
    assert found.unequal == ("MUL int16",)


@needs_micro
def test_weights_of_many_scales_differ_where_they_are_unpacked() -> None:
    file = small_unet.variant_file("nearest", "weight_only_int8")
    assert unequal_operators(file, read_graph(file), ARENA) == ("DEQUANTIZE float32",)
    found = footprint(file)
    assert found.micro is not None
    assert found.micro.unequal == (), "that is foreseen: nothing is run for it"


@needs_micro
def test_where_all_is_equal_none_is_named() -> None:
    file = small_unet.variant_file("nearest", "int8")
    assert unequal_operators(file, read_graph(file), ARENA) == ()


def test_a_process_that_says_nothing_names_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(micro_differences.sys, "executable", "/bin/false")
    file = small_unet.variant_file("nearest", "int8")
    assert unequal_operators(file, read_graph(file), ARENA) == ()
