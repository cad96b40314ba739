"""Operators as files of their own compute what they compute within the whole."""

import numpy as np
import pytest
import small_unet
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from segsweep.tflite.cutting import cut
from segsweep.tflite.flatbuffer import pack, unpack

REFERENCE = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES


def run(model: bytes, inputs: list[np.ndarray]) -> Interpreter:
    interpreter = Interpreter(
        model_content=model, experimental_op_resolver_type=REFERENCE, experimental_preserve_all_tensors=True
    )
    interpreter.allocate_tensors()
    for detail, values in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], values)
    interpreter.invoke()
    return interpreter


def noise(model: bytes) -> np.ndarray:
    (detail,) = Interpreter(model_content=model).get_input_details()
    rng = np.random.default_rng(0)
    if np.issubdtype(detail["dtype"], np.integer):
        limits = np.iinfo(detail["dtype"])
        return rng.integers(limits.min, limits.max, detail["shape"]).astype(detail["dtype"])
    return rng.normal(size=detail["shape"]).astype(np.float32)


@pytest.mark.parametrize("name", ["float32", "int8", "dynamic_range", "weight_only_int8", "float16", "int16x8"])
def test_each_operator_alone_makes_bit_for_bit_what_it_makes_in_the_whole(name: str) -> None:
    file = small_unet.float_file("nearest") if name == "float32" else small_unet.variant_file("nearest", name)
    content = unpack(file)
    whole = run(file, [noise(file)])
    for number, operator in enumerate(content.subgraphs[0].operators):
        part = cut(content, [number], {})
        alone = run(part.content, [whole.get_tensor(index) for index in part.inputs])
        assert part.outputs == tuple(operator.outputs)
        for detail, index in zip(alone.get_output_details(), part.outputs, strict=True):
            np.testing.assert_array_equal(alone.get_tensor(detail["index"]), whole.get_tensor(index))


def test_several_operators_take_and_give_what_they_do_not_share() -> None:
    file = small_unet.variant_file("nearest", "int8")
    content = unpack(file)
    whole = run(file, [noise(file)])
    graph = content.subgraphs[0]
    part = cut(content, [1, 2], {})
    assert part.inputs == (graph.operators[1].inputs[0],)
    assert part.outputs == (graph.operators[2].outputs[0],)
    alone = run(part.content, [whole.get_tensor(part.inputs[0])])
    np.testing.assert_array_equal(
        alone.get_tensor(alone.get_output_details()[0]["index"]), whole.get_tensor(part.outputs[0])
    )
    assert len(part.content) < len(file) / 2, "without the constants of the others"
    assert pack(unpack(file)) == pack(content), "the whole is as it was"


def test_shapes_can_be_those_of_a_run() -> None:
    file = small_unet.float_file("nearest")
    content = unpack(file)
    index = int(content.subgraphs[0].operators[0].inputs[0])
    part = cut(content, [0], {index: (1, 16, 8, 4)})
    (detail,) = Interpreter(model_content=part.content).get_input_details()
    assert tuple(detail["shape"]) == (1, 16, 8, 4)
