"""Where quantization hurts: each layer quantized alone, and each alone left in float."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from segsweep.candidates.problem import Problem
from segsweep.candidates.tensor_noise import signal_to_noise
from segsweep.candidates.trial import Candidate, Trial, make
from segsweep.candidates.trying import Trying
from segsweep.errors import ModelError, VariantError
from segsweep.quantization.choices import CHOICES
from segsweep.quantization.layers import Layer, layers
from segsweep.quantization.mixed import possible_choices
from segsweep.quantization.recipe import LayerChoice, Recipe

TARGETS: Mapping[str, tuple[str, ...]] = {
    "int8": ("int8",),
    "int4": ("int4", "int8"),
    "int16x8": ("int16x8",),
    "int16x4": ("int16x4", "int16x8"),
}
"""What layers are quantized to, by the user's word: the first of these that the library can do to a layer."""
_WEIGHTS_ALONE = {"int8": "weight_only_int8", "int4": "weight_only_int4"}
"""The choice that quantizes the weights alone, by their data type."""

WEIGHTS, ACTIVATIONS, BOTH, SPARED = "weights", "activations", "both", "spared"
MODES = (WEIGHTS, ACTIVATIONS, BOTH, SPARED)
"""What is done: only the layer's weights are quantized, only its activations, both; or all layers but this one."""

SCREENING_IMAGES = 16
NOISE_IMAGES = 4


@dataclass(frozen=True)
class LayerSensitivity:
    """What one layer does to the scores."""

    layer: Layer = field(repr=False)
    choice: str
    """What it was quantized to."""
    screened: Mapping[str, Trial] = field(repr=False)
    """By mode, on the first images; what failed, or was not tried, is left out."""
    scored: Mapping[str, Trial] = field(repr=False)
    """By mode, on all images; empty for layers that matter less."""
    noise_alone_db: float | None
    """Signal to noise of what the layer makes, when it alone is quantized."""
    noise_db: float | None
    """The same in the file where all layers are."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """By mode, why there is no result."""

    def trial(self, mode: str) -> Trial | None:
        """The trial that rests on most images."""
        return self.scored.get(mode) or self.screened.get(mode)


@dataclass(frozen=True)
class Sensitivity:
    """What all layers do."""

    target: str
    layers: tuple[LayerSensitivity, ...]
    """The most sensitive first."""
    exact: Mapping[int, Trial] = field(repr=False)
    """The float file, by number of images."""
    quantized: Mapping[int, Trial] = field(repr=False)
    """The file in which all layers are quantized, by number of images."""
    is_complete: bool
    """Whether the time was enough for all of it."""

    def drop(self, each: LayerSensitivity, mode: str, metric: str) -> float | None:
        """By how much the score falls when the layer alone is quantized so."""
        trial = each.trial(mode)
        if trial is None or mode == SPARED or trial.images not in self.exact:
            return None
        return self.exact[trial.images].score(metric) - trial.score(metric)

    def recovered(self, each: LayerSensitivity, metric: str) -> float | None:
        """By how much the score rises when of the quantized file this layer alone is left in float."""
        trial = each.trial(SPARED)
        if trial is None or trial.images not in self.quantized:
            return None
        return trial.score(metric) - self.quantized[trial.images].score(metric)


def target_choice(layer: Layer, target: str) -> str:
    """What a layer is quantized to: the target, or the nearest thing that the library can do to it."""
    possible = {each.choice for each in possible_choices(layer)}
    found = next((name for name in TARGETS[target] if name in possible), None)
    if found is None:
        raise ModelError(f"the library cannot quantize layer {layer.name} ({layer.weighted.kind}) to {target}")
    return found


def measure(trying: Trying, target: str, *, screening: int, top: int) -> Sensitivity:
    """The sensitivity of all layers.

    Args:
        trying: of the problem.
        target: one of `TARGETS`.
        screening: images that every layer is tried on.
        top: so many layers, the most sensitive, are scored on all images.

    Raises:
        ModelError: a layer cannot be quantized, or the file with all of them cannot be run.
    """
    problem = trying.problem
    found = layers(problem.float_model)
    choices = {layer.name: target_choice(layer, target) for layer in found}
    screening = min(screening, len(problem.images))
    everything = Recipe({name: LayerChoice(choice) for name, choice in choices.items()})
    wanted = {(layer.name, mode): _candidate(layer, mode, choices) for layer in found for mode in MODES}
    bases = [Candidate(), Candidate(everything)]
    first = trying.trials([*bases, *wanted.values()], screening)
    exact, quantized = _by_images(first[:1]), _by_images(first[1:2])
    if quantized and (failure := quantized[screening].failure) is not None:
        raise ModelError(f"the file with all layers in {target} cannot be scored: {failure}")
    screened = dict(zip(wanted, first[2:], strict=True))
    ranked = sorted(found, key=lambda layer: _harm(screened, layer), reverse=True)
    scored: dict[tuple[str, str], Trial | None] = {}
    if len(problem.images) > screening and not trying.is_over:
        best = [layer.name for layer in ranked[:top]]
        chosen = [pair for name in best for pair in wanted if pair[0] == name]
        full = trying.trials([*bases, *(wanted[pair] for pair in chosen)], len(problem.images))
        exact |= _by_images(full[:1])
        quantized |= _by_images(full[1:2])
        scored = dict(zip(chosen, full[2:], strict=True))
    noise, alone = _noise(problem, found, wanted, everything)
    rows = [
        LayerSensitivity(
            layer=layer,
            choice=choices[layer.name],
            screened=_done(screened, layer),
            scored=_done(scored, layer),
            noise_alone_db=alone.get(layer.name),
            noise_db=noise.get(layer.weighted.outputs[0]),
            failures={
                mode: trial.failure
                for mode in MODES
                if (trial := screened.get((layer.name, mode))) is not None and trial.failure is not None
            },
        )
        for layer in ranked
    ]
    complete = all(trial is not None for trial in [*first, *scored.values()]) and (
        bool(scored) or len(problem.images) <= screening or not top
    )
    return Sensitivity(target, tuple(rows), exact, quantized, complete)


def _candidate(layer: Layer, mode: str, choices: Mapping[str, str]) -> Candidate:
    choice = CHOICES[choices[layer.name]]
    if mode == ACTIVATIONS:
        return Candidate(rounded=layer.name, bits=choice.activation_bits)
    if mode == WEIGHTS:
        return Candidate(Recipe({layer.name: LayerChoice(_WEIGHTS_ALONE[choice.weights])}))
    if mode == BOTH:
        return Candidate(Recipe({layer.name: LayerChoice(choice.name)}))
    return Candidate(Recipe({name: LayerChoice(other) for name, other in choices.items() if name != layer.name}))


def _harm(screened: Mapping[tuple[str, str], Trial | None], layer: Layer) -> float:
    """How many pixels change when the layer alone is quantized; those without a result come first."""
    trial = screened.get((layer.name, BOTH))
    return 1.0 if trial is None or trial.failure is not None else 1.0 - trial.agreement


def _done(trials: Mapping[tuple[str, str], Trial | None], layer: Layer) -> dict[str, Trial]:
    found = {mode: trials.get((layer.name, mode)) for mode in MODES}
    return {mode: trial for mode, trial in found.items() if trial is not None and trial.failure is None}


def _by_images(trials: Sequence[Trial | None]) -> dict[int, Trial]:
    return {trial.images: trial for trial in trials if trial is not None}


def _noise(
    problem: Problem,
    found: Sequence[Layer],
    wanted: Mapping[tuple[str, str], Candidate],
    everything: Recipe,
) -> tuple[Mapping[str, float], dict[str, float]]:
    """Signal to noise by tensor with all layers quantized, and by layer with it alone."""
    images = problem.images[:NOISE_IMAGES]
    alone: dict[str, float] = {}
    for layer in found:
        (output,) = layer.weighted.outputs[:1]
        try:
            file = make(wanted[layer.name, BOTH], problem)
        except (ModelError, VariantError):
            continue
        for value in signal_to_noise(problem.float_model, file, images, [output]).values():
            alone[layer.name] = value
    file = make(Candidate(everything), problem)
    outputs = [layer.weighted.outputs[0] for layer in found]
    return signal_to_noise(problem.float_model, file, images, outputs), alone
