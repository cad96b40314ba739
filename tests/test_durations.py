import pytest

from segsweep.durations import milliseconds


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.00"),
        (0.00123, "0.00123"),
        (0.01234, "0.0123"),
        (0.09996, "0.100"),
        (0.58, "0.580"),
        (0.9996, "1.00"),
        (9.996, "10.0"),
        (13.84, "13.8"),
        (99.96, "100"),
        (153.2, "153"),
        (1284.4, "1284"),
    ],
)
def test_a_latency_has_three_digits_that_count_and_no_exponent(value: float, text: str) -> None:
    assert milliseconds(value) == text
