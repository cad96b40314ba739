"""Sizes, times and drops as people type them."""

import pytest

from segsweep.choosing.units import drop, milliseconds, size
from segsweep.errors import SegsweepError


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        (size, "300KiB", 307_200),
        (size, "300 KB", 300_000),
        (size, "300kB", 300_000),
        (size, "1.5MiB", 1_572_864),
        (size, "512B", 512),
        (size, ".5MB", 500_000),
        (milliseconds, "20ms", 20),
        (milliseconds, "1.5s", 1500),
        (milliseconds, "250us", 0.25),
        (milliseconds, "250 µs", 0.25),
        (drop, "0.01", 0.01),
        (drop, "1%", 0.01),
        (drop, "0.5 %", 0.005),
        (drop, "0", 0),
    ],
)
def test_what_is_understood(parse, text, expected):
    assert parse("--max", text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("parse", "text", "remedy"),
    [
        (size, "300", "300KiB"),
        (size, "300kib", "KiB"),
        (size, "300Kb", "KiB"),
        (size, "-3KiB", "300KiB"),
        (size, "0KiB", "300KiB"),
        (size, "1e3KiB", "300KiB"),
        (size, "", "300KiB"),
        (size, "20ms", "MiB"),
        (milliseconds, "20", "20ms"),
        (milliseconds, "20min", "ms"),
        (milliseconds, "infms", "20ms"),
        (drop, "1", None),
        (drop, "2", "%"),
        (drop, "1pp", "1%"),
        (drop, "-0.01", "0.01"),
        (drop, "101%", "1"),
        (drop, "nan", "0.01"),
    ],
)
def test_what_is_not_is_refused_with_what_would_be(parse, text, remedy):
    if remedy is None:
        assert parse("--max", text) == 1
        return
    with pytest.raises(SegsweepError) as caught:
        parse("--max-x", text)
    assert str(caught.value).startswith(f"--max-x {text}: ")
    assert remedy in str(caught.value)
