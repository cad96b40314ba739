"""Lifetimes, peaks and plans against cases reckoned by hand."""

import numpy as np
import pytest

from segsweep.devices.graph import Graph, Operator, Tensor
from segsweep.devices.multiplications import multiplications
from segsweep.devices.working_memory import Lifetime, arena_bytes, lifetimes, peak_bytes


def tensor(*shape: int, dtype: str = "int8", stored: bool = False, variable: bool = False) -> Tensor:
    return Tensor(shape, dtype, stored, variable, 1)


def with_skip(**changes: Tensor) -> Graph:
    """image 0 -> a 1 -> b 2; concatenation of 1 and b 2 -> 3 -> 4; weights 5 are stored."""
    tensors = {
        "image": tensor(1, 10, 10, 4), "a": tensor(1, 10, 10, 8), "b": tensor(1, 5, 5, 8), 
        "joined": tensor(1, 10, 10, 10), "classes": tensor(1, 10, 10, 2), "weights": tensor(8, 3, 3, 4, stored=True),
    }  # fmt: skip
    return Graph(
        (
            Operator("CONV_2D", (0, 5, -1), (1,)),
            Operator("MAX_POOL_2D", (1,), (2,)),
            Operator("CONCATENATION", (1, 2), (3,)),
            Operator("CONV_2D", (3, 5, -1), (4,)),
        ),
        tuple((tensors | changes).values()),
        (0,),
        (4,),
    )


def test_a_tensor_lives_until_it_is_last_read_and_weights_take_none() -> None:
    assert sorted((each.first, each.last, each.bytes) for each in lifetimes(with_skip())) == [
        (0, 0, 400), (0, 2, 800), (1, 2, 200), (2, 3, 1000), (3, 3, 200),
    ]  # fmt: skip


def test_the_peak_is_what_is_alive_at_the_worst_operator() -> None:
    # 1200 at the first, 1000 at the second, 2000 at the third (the skip is still alive), 1200 at the last.
    assert peak_bytes(lifetimes(with_skip())) == 2000


def test_larger_types_take_more_and_int4_half_a_byte() -> None:
    assert tensor(1, 3, 3, 1, dtype="float32").bytes == 36
    assert tensor(1, 3, 3, 1, dtype="int4").bytes == 5


def test_weights_of_4_bits_are_unpacked_while_their_operator_runs() -> None:
    # 8 x 3 x 3 x 4 weights at the first and at the last convolution, which has no more room than 1200 bytes before.
    packed = with_skip(weights=tensor(8, 3, 3, 4, dtype="int4", stored=True))
    assert peak_bytes(lifetimes(packed)) == 2000
    assert sorted((each.first, each.last) for each in lifetimes(packed) if each.bytes == 288) == [(0, 0), (3, 3)]


def test_a_variable_is_alive_throughout() -> None:
    grown = with_skip(weights=tensor(1, 50, dtype="int16", variable=True))
    assert peak_bytes(lifetimes(grown)) == 2100


@pytest.mark.parametrize(("dtype", "each"), [("int8", 4), ("int16", 8), ("float32", 0)])
def test_a_transposed_convolution_sums_up_in_a_buffer_of_its_own(dtype: str, each: int) -> None:
    graph = Graph(
        (Operator("TRANSPOSE_CONV", (2, 1, 0), (3,)),),
        (tensor(1, 4, 4, 2, dtype=dtype), tensor(3, 2, 2, 2, stored=True), tensor(4, dtype="int32", stored=True),
         tensor(1, 8, 8, 3, dtype=dtype)),
        (0,),
        (3,),
    )  # fmt: skip
    size = {"int8": 1, "int16": 2, "float32": 4}[dtype]
    assert peak_bytes(lifetimes(graph)) == 32 * size + 192 * size + 192 * each


def test_the_plan_puts_what_never_meets_in_one_place() -> None:
    assert arena_bytes([Lifetime(160, 0, 1), Lifetime(160, 2, 3)]) == 160


def test_the_plan_may_need_more_than_the_peak() -> None:
    # By size: 64 (operators 1 to 2) at 0, 64 (1) at 64, 48 (3 to 5) at 0, then 32 (2 to 3), which meets the first and
    # the third, at 64: 128 in all, the peak. With the first two the other way round, 48 is at 0 and 32 behind 64 + 64.
    alive = [Lifetime(64, 1, 1), Lifetime(64, 1, 2), Lifetime(32, 2, 3), Lifetime(48, 3, 5)]
    assert (peak_bytes(alive), arena_bytes(alive)) == (128, 128)
    alive[:2] = reversed(alive[:2])
    assert (peak_bytes(alive), arena_bytes(alive)) == (128, 160)


def test_places_are_multiples_of_16_bytes() -> None:
    assert arena_bytes([Lifetime(17, 0, 0), Lifetime(1, 0, 0)]) == 48


def test_no_plan_is_below_the_peak_nor_above_the_sum() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        starts, sizes = random.integers(0, 10, 12), 16 * random.integers(1, 9, 12)
        alive = [
            Lifetime(int(size), int(start), int(start + size % 5)) for start, size in zip(starts, sizes, strict=True)
        ]
        assert peak_bytes(alive) <= arena_bytes(alive) <= int(sizes.sum())


def test_nothing_takes_nothing() -> None:
    assert (peak_bytes([]), arena_bytes([])) == (0, 0)


@pytest.mark.parametrize(
    ("name", "shapes", "places", "expected"),
    [
        # 8 x 8 outputs of 16 channels, each of 3 x 3 x 4 products.
        ("CONV_2D", [(1, 16, 16, 4), (16, 3, 3, 4), (1, 8, 8, 16)], (0, 1), 8 * 8 * 16 * 3 * 3 * 4),
        # Two groups: each output channel sees 2 of the 4 input channels.
        ("CONV_2D", [(1, 8, 8, 4), (16, 1, 1, 2), (1, 8, 8, 16)], (0, 1), 8 * 8 * 16 * 2),
        ("DEPTHWISE_CONV_2D", [(1, 8, 8, 4), (1, 3, 3, 4), (1, 8, 8, 4)], (0, 1), 8 * 8 * 4 * 9),
        # Each of 4 x 4 x 6 inputs is spread over 2 x 2 places of 3 channels.
        ("TRANSPOSE_CONV", [(1, 4, 4, 6), (3, 2, 2, 6), (1, 8, 8, 3)], (2, 1), 4 * 4 * 6 * 2 * 2 * 3),
        ("FULLY_CONNECTED", [(1, 100), (10, 100), (1, 10)], (0, 1), 1000),
        ("ADD", [(1, 8, 8, 4), (1, 8, 8, 4), (1, 8, 8, 4)], (0, 1), 0),
    ],
)
def test_multiplications_are_those_of_the_formula(name, shapes, places, expected) -> None:
    inputs = [-1] * 3
    inputs[places[0]], inputs[places[1]] = 0, 1
    graph = Graph((Operator(name, tuple(inputs), (2,)),), tuple(tensor(*shape) for shape in shapes), (0,), (2,))
    assert multiplications(graph) == expected
