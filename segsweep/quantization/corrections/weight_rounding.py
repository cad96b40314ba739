"""Weight rounding by reconstruction: each weight goes up or down as is best for the layer's output, not for itself.

AdaRound: Nagel et al. 2020, Up or Down? Adaptive Rounding for Post-Training Quantization, arXiv 2004.10568, with the
rectified sigmoid and the regularizer of section 3.3, layer by layer: the input comes from the integer network so far,
the target from the float network, both after the fused ReLU. The weights of the float file are replaced by what the
plain quantizer rounds to the chosen integers; the scales stay as they are, bit for bit.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from segsweep.quantization.corrections.float_graph import WeightedOperator
from segsweep.quantization.corrections.input_patches import draw_positions, grouped, input_patches, ungrouped
from segsweep.quantization.corrections.layer_by_layer import Corrected, LayerByLayer

_ZETA, _GAMMA = 1.1, -0.1
"""By which the sigmoid is stretched; equation 23 of the paper."""
_WHOLE = 1e-3
"""As near to an integer, a weight stays there: as the one does that decides the scale."""
_BETAS = (20.0, 2.0)
"""First and last exponent of the regularizer."""
_WARM_UP = 0.2
"""Share of the steps without regularizer."""
_MOMENTS = (0.9, 0.999)
"""Of Adam."""
_TINY = 1e-12
_MOST_INPUTS = 2**25
_LEAST_ROWS = 64
"""With fewer positions, none are held out."""


@dataclass(frozen=True)
class Rounding:
    """How long and on what each layer is fitted."""

    steps: int = 300
    rows: int = 8192
    """Output positions of a layer that are drawn; fewer where a layer has so many inputs that they would take more than
    128 MiB."""
    batch: int = 128
    """Of those, in each step."""
    learning_rate: float = 0.1
    """Of Adam. The paper's 0.01 needs its 10 000 steps."""
    regularizer: float = 0.1
    """Weight of the regularizer, for a reconstruction error as a multiple of that of the nearest integers."""
    seed: int = 0


def round_weights(
    float_model: bytes, images: np.ndarray, quantize: Callable[[bytes], bytes], settings: Rounding = Rounding()
) -> Corrected:
    """The float file with weights that the plain quantizer rounds to the integers found here.

    Args:
        float_model: the file.
        images: (N, H, W, C) float32, normalized: the calibration images.
        quantize: makes the integer file of a float file, always with the same ranges; its bits are taken.
        settings: of the search.
    """
    changed = []
    run = LayerByLayer(float_model, images, quantize)
    generator = np.random.default_rng(settings.seed)
    for operator in run:
        stored = run.integer.weights(operator)
        if stored is None:
            continue
        weights, data = run.graph.weights(operator), run.rounded_input(operator)
        inputs = weights.size // weights.shape[operator.output_axis]
        at = draw_positions(run.graph, operator, len(data), min(settings.rows, _MOST_INPUTS // inputs), generator)
        shape, channels = weights.shape, data.shape[-1]
        problem = LayerProblem(
            weights=grouped(operator, weights, channels),
            largest=stored.largest,
            nearest=grouped(operator, stored.integers, channels),
            scale=grouped(operator, np.broadcast_to(stored.scale, shape), channels)[:, :1],
            bias=_by_group(run.graph.bias(operator), operator, channels),
            exact=input_patches(run.graph, operator, run.exact_input(operator), at),
            rounded=input_patches(run.graph, operator, data, at),
            activation=_ACTIVATIONS.get(operator.activation, _ACTIVATIONS["NONE"]),
        )
        chosen = ungrouped(operator, fit(problem, settings, generator), shape)
        run.graph.set_weights(operator, replace(stored, integers=chosen).restored)
        changed.append(operator.name)
    return Corrected(run.graph.packed(), tuple(changed))


@dataclass(frozen=True)
class LayerProblem:
    """A layer in G groups with K weights for each of O outputs, at R positions."""

    weights: np.ndarray = field(repr=False)
    """(G, K, O) float32."""
    nearest: np.ndarray = field(repr=False)
    """(G, K, O) int32: what the plain quantizer makes of them."""
    largest: int
    """No integer is farther from 0."""
    scale: np.ndarray = field(repr=False)
    """(G, 1, O) float32."""
    bias: np.ndarray = field(repr=False)
    """(G, 1, O) float32."""
    exact: np.ndarray = field(repr=False)
    """(G, R, K) float32: the inputs in the float network."""
    rounded: np.ndarray = field(repr=False)
    """(G, R, K) float32: the inputs in the integer network."""
    activation: tuple[float, float]
    """Smallest and largest value of the output."""

    @cached_property
    def targets(self) -> np.ndarray:
        """(G, R, O) float32: what the layer gives in the float network."""
        return np.clip(self.exact @ self.weights + self.bias, *self.activation)

    def errors(self, integers: np.ndarray, rows: slice) -> np.ndarray:
        """(G, 1, O) float32: mean squared error of each output at some positions, for integers (G, K, O)."""
        found = self.rounded[:, rows] @ (integers.astype(np.float32) * self.scale) + self.bias
        return np.square(np.clip(found, *self.activation) - self.targets[:, rows]).mean(axis=1, keepdims=True)


def fit(problem: LayerProblem, settings: Rounding, generator: np.random.Generator) -> np.ndarray:
    """(G, K, O) int32: for each output the integers found, or the nearest ones where these do no worse.

    Which do better is said by the last quarter of the positions, which nothing is fitted to: where the inputs' own
    rounding is larger than the weights', there is little to fit but noise.
    """
    count = problem.rounded.shape[1]
    fitted, held_out = slice(0, count - count // 4), slice(count - count // 4, count)
    if count < _LEAST_ROWS:
        fitted = held_out = slice(0, count)
    low, free, fraction = _choices(problem)
    soft = _SoftRounding(fraction, free, settings)
    importance = 1 / np.maximum(problem.errors(problem.nearest, fitted), _TINY)
    least, most = problem.activation
    for step in range(settings.steps):
        rows = generator.integers(fitted.stop, size=settings.batch)
        inputs = problem.rounded[:, rows]
        linear = inputs @ ((low + soft.shares) * problem.scale) + problem.bias
        error = (np.clip(linear, least, most) - problem.targets[:, rows]) * importance
        error *= (linear > least) & (linear < most)
        soft.descend((inputs.transpose(0, 2, 1) @ error) * (problem.scale * np.float32(2 / len(rows))), step)
    found = (low + (free & (soft.logits >= 0))).astype(np.int32)
    better = problem.errors(found, held_out) < problem.errors(problem.nearest, held_out)
    return np.where(better, found, problem.nearest).astype(np.int32)


def _choices(problem: LayerProblem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(G, K, O) each: the integer below float32; whether the one above is another choice; how far above it the weight
    is, float32."""
    # Beyond the largest integer, where the scale clips, there is no choice.
    ratio = np.clip(problem.weights.astype(np.float64) / problem.scale, -problem.largest, problem.largest)
    whole = np.abs(ratio - np.rint(ratio)) < _WHOLE
    low = np.where(whole, np.rint(ratio), np.floor(ratio))
    return low.astype(np.float32), ~whole, np.where(whole, 0, ratio - low).astype(np.float32)


class _SoftRounding:
    """How far each weight goes up, between 0 and 1, driven by Adam to one of both."""

    def __init__(self, fraction: np.ndarray, free: np.ndarray, settings: Rounding) -> None:
        inner = np.clip((fraction - _GAMMA) / (_ZETA - _GAMMA), 1e-3, 1 - 1e-3)
        self.logits = np.log(inner / (1 - inner)).astype(np.float32)
        self._free, self._settings = free, settings
        self._first, self._second = np.zeros_like(self.logits), np.zeros_like(self.logits)
        self._look()

    def _look(self) -> None:
        self._sigmoid = 1 / (1 + np.exp(-self.logits))
        self.shares = np.clip(self._sigmoid * np.float32(_ZETA - _GAMMA) + np.float32(_GAMMA), 0, 1)
        self.shares *= self._free

    def descend(self, gradient: np.ndarray, step: int) -> None:
        """One step down the gradient (G, K, O) float32 of the reconstruction error by `shares`."""
        settings = self._settings
        progress = (step / settings.steps - _WARM_UP) / (1 - _WARM_UP)
        if progress >= 0:
            beta = _BETAS[1] + (_BETAS[0] - _BETAS[1]) * 0.5 * (1 + math.cos(progress * math.pi))
            distance = 2 * self.shares - 1
            strength = np.float32(settings.regularizer * 2 * beta)
            gradient = gradient - strength * np.sign(distance) * np.abs(distance) ** np.float32(beta - 1)
        gradient = (
            gradient * (self._sigmoid * (1 - self._sigmoid)) * (self._free & (self.shares > 0) & (self.shares < 1))
        )
        self._first += np.float32(1 - _MOMENTS[0]) * (gradient - self._first)
        self._second += np.float32(1 - _MOMENTS[1]) * (np.square(gradient) - self._second)
        rate = settings.learning_rate / (1 - _MOMENTS[0] ** (step + 1))
        spread = np.sqrt(self._second * np.float32(1 / (1 - _MOMENTS[1] ** (step + 1)))) + np.float32(_TINY)
        self.logits -= np.float32(rate) * self._first / spread
        self._look()


def _by_group(bias: np.ndarray, operator: WeightedOperator, channels: int) -> np.ndarray:
    return bias.reshape(channels if operator.kind == "DEPTHWISE_CONV_2D" else 1, 1, -1)


_ACTIVATIONS: Mapping[str, tuple[float, float]] = {
    "NONE": (-np.inf, np.inf),
    "RELU": (0.0, np.inf),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
}
