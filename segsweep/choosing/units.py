"""Numbers with units as people type them: sizes, times, and drops of a score."""

import re
from collections.abc import Mapping

from segsweep.errors import SegsweepError

SIZES = {"B": 1, "kB": 10**3, "KB": 10**3, "KiB": 2**10, "MB": 10**6, "MiB": 2**20, "GB": 10**9, "GiB": 2**30}
"""Bytes in each."""
TIMES = {"us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3}
"""Milliseconds in each."""
_NUMBER = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*([^\d\s.]*)")


def size(option: str, text: str) -> float:
    """Bytes, from the likes of `300KiB` or `1.5 MB`.

    Raises SegsweepError, which names `option`, for anything else, and for 0.
    """
    return _quantity(option, text, SIZES, "300KiB")


def milliseconds(option: str, text: str) -> float:
    """Milliseconds, from the likes of `20ms` or `1.5 s`; raises as :func:`size` does."""
    return _quantity(option, text, TIMES, "20ms")


def drop(option: str, text: str) -> float:
    """An absolute drop of a score that goes from 0 to 1: `0.01` or, in points of a hundred, `1%`.

    Raises SegsweepError, which names `option`, for anything else, and for what is not between 0 and 1.
    """
    match = _NUMBER.fullmatch(text.strip())
    unit = match[2] if match else None
    if match is None or unit not in ("", "%"):
        raise SegsweepError(f"{option} {text}: is no drop of a score; give one like 0.01, or 1% for the same")
    value = float(match[1]) * (0.01 if unit else 1)
    if value > 1:
        raise SegsweepError(f"{option} {text}: scores go from 0 to 1, so must a drop; for points of a hundred add %")
    return value


def _quantity(option: str, text: str, units: Mapping[str, float], example: str) -> float:
    match = _NUMBER.fullmatch(text.strip())
    if match is None or not float(match[1]):
        raise SegsweepError(f"{option} {text}: is no number above 0 with a unit; give one like {example}")
    if match[2] not in units:
        what = f"{match[2]} is not a unit here" if match[2] else "has no unit"
        raise SegsweepError(f"{option} {text}: {what}; there are {', '.join(units)}, as in {example}")
    return float(match[1]) * units[match[2]]
