"""Lengths of time in words."""

import math


def duration(seconds: float) -> str:
    """Seconds as people say them: `45 s`, `3 min`, `2 h 05 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def milliseconds(value: float) -> str:
    """A latency without its unit, in three digits that count: `0.0123`, `0.580`, `13.8`, `1284`."""
    digits = 2 - math.floor(math.log10(value)) if 0 < value < math.inf else 2
    # What is rounded up to the next power of ten has one digit more before the point.
    if digits > 0 and float(f"{value:.{digits}f}") >= 10.0 ** (3 - digits):
        digits -= 1
    return f"{value:.{max(0, digits)}f}"
