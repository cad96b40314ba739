"""Weight rounding by reconstruction: each weight goes up or down as is best for the layer's output, not for itself.

AdaRound: Nagel et al. 2020, Up or Down? Adaptive Rounding for Post-Training Quantization, arXiv 2004.10568, with the
rectified sigmoid and the regularizer of section 3.3, layer by layer: the input comes from the integer network so far,
the target from the float network, both after the fused ReLU. The weights of the float file are replaced by what the
plain quantizer rounds to the chosen integers; the largest weight of each scale stays, and so does the scale.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from segsweep.quantization.corrections.float_graph import WeightedOperator
from segsweep.quantization.corrections.input_patches import draw_positions, grouped, input_patches, ungrouped
from segsweep.quantization.corrections.integer_weights import integer_weights
from segsweep.quantization.corrections.layer_by_layer import Corrected, LayerByLayer

_ZETA, _GAMMA = 1.1, -0.1
"""By which the sigmoid is stretched; equation 23 of the paper."""
_WHOLE = 1e-3
"""As near to an integer, a weight stays there: as the one does that decides the scale."""
_BETAS = (20.0, 2.0)
"""First and last exponent of the regularizer."""
_WARM_UP = 0.2
"""Share of the steps without regularizer."""


@dataclass(frozen=True)
class Rounding:
    """How long and on what each layer is fitted."""

    steps: int = 500
    rows: int = 4096
    """Output positions of a layer that are drawn."""
    batch: int = 128
    """Of those, in each step."""
    learning_rate: float = 1e-2
    regularizer: float = 1e-2
    """Weight of the regularizer, for a reconstruction error as a share of the target's variance."""
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
        integers, scale = integer_weights(run.integer, operator)
        if integers.dtype != np.int32:
            continue
        weights, data = run.graph.weights(operator), run.rounded_input(operator)
        at = draw_positions(run.graph, operator, len(data), settings.rows, generator)
        shape, channels = weights.shape, data.shape[-1]
        problem = LayerProblem(
            weights=grouped(operator, weights, channels),
            nearest=grouped(operator, integers, channels),
            scale=grouped(operator, np.broadcast_to(scale, shape), channels)[:, :1],
            bias=_by_group(run.graph.bias(operator), operator, channels),
            exact=input_patches(run.graph, operator, run.exact_input(operator), at),
            rounded=input_patches(run.graph, operator, data, at),
            activation=_ACTIVATIONS.get(operator.activation, _ACTIVATIONS["NONE"]),
        )
        chosen = ungrouped(operator, fit(problem, settings, generator), shape)
        run.graph.set_weights(operator, representable(weights, chosen, scale))
        changed.append(operator.name)
    return Corrected(run.graph.packed(), tuple(changed))


@dataclass(frozen=True)
class LayerProblem:
    """A layer in G groups with K weights for each of O outputs, at R positions."""

    weights: np.ndarray = field(repr=False)
    """(G, K, O) float32."""
    nearest: np.ndarray = field(repr=False)
    """(G, K, O) int32: what the plain quantizer makes of them."""
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

    @property
    def targets(self) -> np.ndarray:
        """(G, R, O) float32: what the layer gives in the float network."""
        return np.clip(self.exact @ self.weights + self.bias, *self.activation)

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """(G, K, O) int32: the integers below and above the weights; equal for a weight that is one of them."""
        ratio = self.weights.astype(np.float64) / self.scale
        whole = np.abs(ratio - np.rint(ratio)) < _WHOLE
        low = np.where(whole, np.rint(ratio), np.floor(ratio)).astype(np.int32)
        return low, np.where(whole, low, low + 1)

    def errors(self, integers: np.ndarray) -> np.ndarray:
        """(G, 1, O) float32: mean squared error of each output for some integers (G, K, O)."""
        found = np.clip(self.rounded @ (integers * self.scale) + self.bias, *self.activation)
        return np.square(found - self.targets).mean(axis=1, keepdims=True)


def fit(problem: LayerProblem, settings: Rounding, generator: np.random.Generator) -> np.ndarray:
    """(G, K, O) int32: for each output the integers found, or the nearest ones where these do no worse."""
    low, high = problem.bounds
    free = high > low
    fraction = np.where(free, problem.weights / problem.scale - low, 0.5).astype(np.float32)
    inner = np.clip((fraction - _GAMMA) / (_ZETA - _GAMMA), 1e-4, 1 - 1e-4)
    logits = np.log(inner / (1 - inner)).astype(np.float32)
    first, second = np.zeros_like(logits), np.zeros_like(logits)
    targets, nearest_errors = problem.targets, problem.errors(problem.nearest)
    importance = 1 / np.maximum(nearest_errors, 1e-12)
    least, most = problem.activation
    count = problem.rounded.shape[1]
    for step in range(settings.steps):
        rows = generator.integers(count, size=min(settings.batch, count))
        inputs = problem.rounded[:, rows]
        sigmoid = 1 / (1 + np.exp(-logits))
        share = np.clip(sigmoid * (_ZETA - _GAMMA) + _GAMMA, 0, 1)
        slope = np.where((share > 0) & (share < 1), sigmoid * (1 - sigmoid) * (_ZETA - _GAMMA), 0)
        weights = (low + np.where(free, share, 0)) * problem.scale
        linear = inputs @ weights.astype(np.float32) + problem.bias
        inside = (linear > least) & (linear < most)
        error = (np.clip(linear, least, most) - targets[:, rows]) * inside * importance
        gradient = (inputs.transpose(0, 2, 1) @ error) * (2 / len(rows)) * problem.scale
        progress = (step / settings.steps - _WARM_UP) / (1 - _WARM_UP)
        if progress >= 0:
            beta = _BETAS[1] + (_BETAS[0] - _BETAS[1]) * 0.5 * (1 + np.cos(progress * np.pi))
            distance = 2 * share - 1
            gradient = gradient - settings.regularizer * 2 * beta * np.sign(distance) * np.abs(distance) ** (beta - 1)
        gradient = np.where(free, gradient * slope, 0).astype(np.float32)
        first += (1 - 0.9) * (gradient - first)
        second += (1 - 0.999) * (np.square(gradient) - second)
        corrected = first / (1 - 0.9 ** (step + 1))
        logits -= settings.learning_rate * corrected / (np.sqrt(second / (1 - 0.999 ** (step + 1))) + 1e-8)
    found = np.where(free & (logits >= 0), high, low)
    return np.where(problem.errors(found) < nearest_errors, found, problem.nearest).astype(np.int32)


def representable(weights: np.ndarray, integers: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Float32 weights that the plain quantizer makes these integers of, with the same scale.

    Args:
        weights: as they were.
        integers: of their shape.
        scale: of a shape to multiply them with.
    """
    axes = tuple(axis for axis in range(weights.ndim) if scale.ndim < weights.ndim or scale.shape[axis] == 1)
    largest = np.abs(weights).max(axis=axes, keepdims=True)
    # By rounding, the product may be one ulp beyond what decides the scale.
    found = np.clip((integers * scale).astype(np.float32), -largest, largest)
    kept = np.abs(weights) == largest
    return np.where(kept, weights, found).astype(np.float32)


def _by_group(bias: np.ndarray, operator: WeightedOperator, channels: int) -> np.ndarray:
    return bias.reshape(channels if operator.kind == "DEPTHWISE_CONV_2D" else 1, 1, -1)


_ACTIVATIONS: Mapping[str, tuple[float, float]] = {
    "NONE": (-np.inf, np.inf),
    "RELU": (0.0, np.inf),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
}
