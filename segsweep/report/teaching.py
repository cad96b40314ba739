"""Which part of what quantization-aware training gained is due to a teacher, in sentences."""

import pandas as pd

from segsweep.evaluation.bootstrap import is_noise
from segsweep.report.gain import PARTS, quantization_aware_gain

_POINTS = 100
"""A point is a hundredth."""
_WORDS = {PARTS[0]: "due to teaching", PARTS[1]: "due to training for integers"}


def teaching_sentences(table: pd.DataFrame) -> list[str]:
    """Of all fine-tunes with a teacher the mean gain and its parts; of a single one with intervals. None without one.

    `Of what quantization-aware training with a teacher gained, +0.52 points of mean IoU, +0.31 are due to teaching
    (95 % interval +0.10 to +0.52) and +0.21 due to training for integers (95 % interval -0.10 to +0.52: within noise).`
    """
    gain = quantization_aware_gain(table)
    if PARTS[0] not in gain:
        return []
    taught = gain.dropna(subset=["gain", *PARTS])
    if not len(taught):
        return []
    over = f" on average of {len(taught)} trainings" if len(taught) > 1 else ""
    parts = [f"{_signed(taught[part].mean())} are {words}{_interval(taught, part)}" for part, words in _WORDS.items()]
    return [
        f"Of what quantization-aware training with a teacher gained, {_signed(taught['gain'].mean())} points of mean "
        f"IoU{over}, {parts[0]} and {parts[1]}."
    ]


def _interval(taught: pd.DataFrame, part: str) -> str:
    """The interval of a single training, in brackets; of several, in how many of them the part is beyond noise."""
    known = taught.dropna(subset=[f"{part}_low", f"{part}_high"])
    ends = list(zip(known[f"{part}_low"], known[f"{part}_high"], strict=True))
    if not ends:
        return ""
    if len(taught) > 1:
        beyond = sum(not is_noise(low, high) for low, high in ends)
        return f" (beyond noise in {beyond} of {len(ends)})"
    (low, high), *_ = ends
    return f" (95 % interval {_signed(low)} to {_signed(high)}{': within noise' if is_noise(low, high) else ''})"


def _signed(difference: float) -> str:
    text = f"{_POINTS * difference:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text
