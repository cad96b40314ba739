"""Rules that make the range of an integer activation from the values that it took over the calibration images.

The steps of the integer type are spread over a range. A narrower one has finer steps, and clips what lies outside. No
rule depends on the order of the images.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

_LEVELS = 255
_SHARES = np.linspace(1.0, 0.25, 46)
"""By which `mse` shrinks a range on both sides alike."""

Limits = tuple[float, float]
"""Lower and upper end of a range."""


@dataclass(frozen=True)
class TensorValues:
    """Values that one activation tensor took over N calibration images."""

    values: np.ndarray = field(repr=False)
    """(M,) float32: a sample over all images."""
    lows: np.ndarray = field(repr=False)
    """(N,): smallest value of each image."""
    highs: np.ndarray = field(repr=False)
    """(N,): largest value of each image."""

    @cached_property
    def ascending(self) -> np.ndarray:
        """The values in ascending order."""
        return np.sort(self.values)

    @property
    def limits(self) -> Limits:
        """Smallest and largest value of all images."""
        return float(self.lows.min()), float(self.highs.max())


Rule = Callable[[TensorValues, float], Limits]
"""From a tensor's values and `quantization.calibration.percentile` to its range."""


def min_max(tensor: TensorValues, percentile: float) -> Limits:
    """Smallest and largest value of all images: nothing is clipped."""
    return tensor.limits


def average(tensor: TensorValues, percentile: float) -> Limits:
    """Mean over the images of the smallest and of the largest value of each.

    The moving average of litert-quantizer and of TensorFlow's fake quantization, without their dependence on the order.
    """
    low, high = (math.fsum(map(float, ends)) / len(ends) for ends in (tensor.lows, tensor.highs))
    return _checked(min(low, 0.0), max(high, 0.0), tensor.limits)


def by_percentile(tensor: TensorValues, percentile: float) -> Limits:
    """Clips as many values below as above; 0 stays within.

    Wu et al. 2020, Integer Quantization for Deep Learning Inference, arXiv 2004.09602, section 5.
    """
    outside = (100 - percentile) / 2
    low, high = np.percentile(tensor.ascending, (outside, 100 - outside))
    return _checked(min(float(low), 0.0), max(float(high), 0.0), tensor.limits)


def by_squared_error(tensor: TensorValues, percentile: float) -> Limits:
    """The range, shrunk on both sides alike, whose 8-bit steps have the least mean squared error.

    Banner et al. 2019, Post-Training 4-Bit Quantization, arXiv 1810.05723, found by grid search.
    """
    low, high = min(tensor.limits[0], 0.0), max(tensor.limits[1], 0.0)
    if not high > low:
        return tensor.limits
    # A range that is shrunk alike on both sides has its steps at the same multiples of a smaller scale.
    multiples = np.arange(np.rint(low * _LEVELS / (high - low)), np.rint(high * _LEVELS / (high - low)) + 1)
    scales = _SHARES[:, None] * (high - low) / _LEVELS
    errors = _squared_errors(tensor.ascending.astype(np.float64), multiples * scales)
    share = float(_SHARES[int(np.argmin(errors))])
    return _checked(low * share, high * share, tensor.limits)


def _squared_errors(values: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """(S,): sums over ascending values (M,) of the squared distance to the nearest of each row of steps (S, L)."""
    sums, squares = (np.concatenate([[0.0], np.cumsum(each)]) for each in (values, np.square(values)))
    between = np.searchsorted(values, (steps[:, :-1] + steps[:, 1:]) / 2)
    ends = np.pad(between, ((0, 0), (1, 1)), constant_values=((0, 0), (0, len(values))))
    counts, of_values, of_squares = (np.diff(each) for each in (ends, sums[ends], squares[ends]))
    return np.asarray((of_squares - 2 * steps * of_values + np.square(steps) * counts).sum(axis=1))


RULES: Mapping[str, Rule] = {
    "min_max": min_max,
    "average": average,
    "percentile": by_percentile,
    "mse": by_squared_error,
}
"""By the word in `quantization.calibration.range`."""


@dataclass(frozen=True)
class RangeChoice:
    """The rules of one file."""

    input: str
    """Rule of the network's input; one of `RULES`."""
    activations: str
    """Rule of all other activations."""

    @classmethod
    def of(cls, rule: str) -> "RangeChoice":
        """One rule for all activations."""
        return cls(rule, rule)

    @classmethod
    def parse(cls, text: str) -> "RangeChoice":
        """What `str` made."""
        activations, _, of_input = text.partition(", input ")
        return cls(of_input or activations, activations)

    def __str__(self) -> str:
        return self.activations if self.input == self.activations else f"{self.activations}, input {self.input}"


MIN_MAX = RangeChoice.of("min_max")
"""Nothing is clipped."""


def ranges_by(
    choice: RangeChoice, tensors: Mapping[str, TensorValues], inputs: str, percentile: float
) -> dict[str, Limits]:
    """The range of each tensor, by its name.

    Args:
        choice: the rules.
        tensors: values of each tensor by name.
        inputs: name of the tensor that is the network's input.
        percentile: `quantization.calibration.percentile`.
    """
    return {
        name: RULES[choice.input if name == inputs else choice.activations](tensor, percentile)
        for name, tensor in tensors.items()
    }


def _checked(low: float, high: float, limits: Limits) -> Limits:
    """The narrower range, or all of it where nothing would be left."""
    return (low, high) if high > low else limits
