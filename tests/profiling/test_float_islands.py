"""Which operators compute with floats inside a file of integers: on graphs made by hand."""

from segsweep.devices.graph import Graph, Operator, Tensor
from segsweep.profiling.float_islands import FloatIsland, float_islands
from segsweep.profiling.operator_files import constant_operators


def graph(types: str, operators: list[tuple[str, list[int], list[int]]], stored: tuple[int, ...] = ()) -> Graph:
    """Tensors by one letter each (f: float32, i: int8, h: float16); the first is the input, the last the output."""
    names = {"f": "float32", "i": "int8", "h": "float16"}
    tensors = tuple(Tensor((1, 4), names[each], index in stored, False, 0) for index, each in enumerate(types))
    return Graph(
        tuple(Operator(name, tuple(taken), tuple(made)) for name, taken, made in operators),
        tensors, (0,), (len(types) - 1,),
    )  # fmt: skip


def islands(found: Graph) -> tuple[FloatIsland, ...]:
    return float_islands(found, constant_operators(found))


def test_a_run_of_float_operators_is_one_island_with_the_conversions_around_it() -> None:
    found = graph(
        "iiffffii",
        [
            ("RELU", [0], [1]),
            ("DEQUANTIZE", [1], [2]),
            ("MUL", [2], [3]),
            ("ADD", [3, 4], [5]),
            ("QUANTIZE", [5], [6]),
            ("RELU", [6], [7]),
        ],
        stored=(4,),
    )
    assert islands(found) == (FloatIsland((2, 3), (1, 4), takes_input=False, gives_output=False),)


def test_islands_that_share_no_float_tensor_are_apart() -> None:
    found = graph(
        "iffiffi",
        [
            ("DEQUANTIZE", [0], [1]),
            ("MUL", [1], [2]),
            ("QUANTIZE", [2], [3]),
            ("DEQUANTIZE", [3], [4]),
            ("LOGISTIC", [4], [5]),
            ("QUANTIZE", [5], [6]),
            ("RELU", [6], [6]),
        ],
    )
    assert [(each.operators, each.conversions) for each in islands(found)] == [((1,), (0, 2)), ((4,), (3, 5))]


def test_branches_that_meet_are_one_island() -> None:
    found = graph(
        "iffffi",
        [
            ("DEQUANTIZE", [0], [1]),
            ("DEQUANTIZE", [0], [2]),
            ("RELU", [1], [3]),
            ("ADD", [3, 2], [4]),
            ("QUANTIZE", [4], [5]),
            ("RELU", [5], [5]),
        ],
    )
    assert [(each.operators, each.conversions) for each in islands(found)] == [((2, 3), (0, 1, 4))]


def test_float_input_and_output_are_islands_of_conversions_alone() -> None:
    found = graph("fiif", [("QUANTIZE", [0], [1]), ("RELU", [1], [2]), ("DEQUANTIZE", [2], [3])])
    assert islands(found) == (
        FloatIsland((), (0,), takes_input=True, gives_output=False),
        FloatIsland((), (2,), takes_input=False, gives_output=True),
    )


def test_files_that_compute_with_floats_alone_have_none() -> None:
    dynamic = graph("fiff", [("CONV_2D", [0, 1], [2]), ("RELU", [2], [3])], stored=(1,))
    assert islands(dynamic) == ()
    float16 = graph("fhff", [("DEQUANTIZE", [1], [2]), ("CONV_2D", [0, 2], [3])], stored=(1,))
    assert islands(float16) == ()


def test_weights_that_are_unpacked_are_no_island_of_their_own() -> None:
    found = graph(
        "iffiffi",
        [
            ("DEQUANTIZE", [0], [1]),
            ("DEQUANTIZE", [3], [2]),
            ("CONV_2D", [1, 2], [4]),
            ("QUANTIZE", [4], [6]),
            ("RELU", [6], [6]),
        ],
        stored=(3,),
    )
    assert constant_operators(found) == {1}
    assert [(each.operators, each.conversions) for each in islands(found)] == [((2,), (0, 3))]
