"""What is said of 4-bit weights before a file of them is shipped."""

import json
from types import SimpleNamespace

import pytest

from segsweep.devices.four_bit_kernels import has_four_bits, kernel_remarks
from segsweep.devices.graph import Graph, Operator, Tensor
from segsweep.devices.micro_limits import micro_problems
from segsweep.tracking import names


def run(*computed: str) -> SimpleNamespace:
    return SimpleNamespace(tags={names.CENSUS: json.dumps({"compute": dict.fromkeys(computed, 1)})})


def test_a_file_of_4_bit_weights_is_known_by_its_census():
    four, eight = run("CONV_2D int8 x int4", "CONV_2D int8 x int8"), run("CONV_2D int8 x int8")
    assert has_four_bits(four)
    assert not has_four_bits(eight)
    assert not has_four_bits(SimpleNamespace(tags={}))
    assert kernel_remarks([eight]) == []
    (remark,) = kernel_remarks([four, eight, four])
    assert "XNNPACK" in remark


@pytest.mark.parametrize(
    ("name", "activations", "runs"),
    [
        ("CONV_2D", "int8", True),
        ("DEPTHWISE_CONV_2D", "int8", True),
        ("FULLY_CONNECTED", "int8", True),
        ("TRANSPOSE_CONV", "int8", False),
        ("CONV_2D", "int16", False),
    ],
)
def test_what_micro_has_no_kernel_for_is_foreseen(name, activations, runs):
    values, weights = Tensor((1, 4, 4, 2), activations, False, False, 1), Tensor((3, 1, 1, 2), "int4", True, False, 3)
    inputs = (2, 1, 0) if name == "TRANSPOSE_CONV" else (0, 1, -1)
    tensors = (
        values,
        weights,
        Tensor((4,), "int32", True, False, 0),
        Tensor((1, 4, 4, 3), activations, False, False, 1),
    )
    if name == "TRANSPOSE_CONV":
        tensors = (values, weights, tensors[2], tensors[3])
    graph = Graph((Operator(name, inputs, (3,)),), tensors, (0,), (3,))
    assert (micro_problems(graph) == ()) == runs
