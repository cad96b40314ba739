"""Makes files of mixed precision from the float32 file, as a recipe says; milliseconds, no TensorFlow."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from segsweep.errors import ModelError, VariantError
from segsweep.quantization.choices import ALGORITHMS, CHOICES, PLAIN
from segsweep.quantization.layers import Layer, layers
from segsweep.quantization.post_training import Calibration, Quantization
from segsweep.quantization.quantizer_rules import is_possible, rule
from segsweep.quantization.recipe import LayerChoice, Recipe
from segsweep.tflite.census import census

_FEW = 5


def quantize_mixed(float_model: bytes, recipe: Recipe, calibration: Calibration | None = None) -> bytes:
    """The file that a recipe makes of the float32 file. The same arguments give the same bytes.

    Args:
        float_model: `convert_float`'s, or another float file.
        recipe: what each layer is to be.
        calibration: needed where the recipe has integer activations.

    Raises:
        ModelError: the recipe does not fit the file.
        VariantError: the file that came out is not what the recipe says.
    """
    assert calibration is not None or not recipe.calibrated, "integer activations need a calibration"
    found = layers(float_model)
    check_fit(recipe, found)
    rules = list(recipe_rules(recipe, found))
    if not rules:
        return float_model
    ranges = _ranges(recipe, found, calibration) if calibration is not None else None
    try:
        quantized = Quantization(float_model, rules).file(ranges)
    except (RuntimeError, ValueError) as error:
        raise VariantError(f"the library cannot follow the recipe: {' '.join(str(error).split())}") from error
    _check_made(recipe, found, quantized)
    return quantized


def check_fit(recipe: Recipe, found: Sequence[Layer]) -> None:
    """Raises ModelError where the recipe names a layer that is not there, or asks of one what cannot be."""
    names = [layer.name for layer in found]
    strays = [name for name in recipe.layers if name not in names]
    if strays:
        known = ", ".join(names[:_FEW]) + (", ..." if len(names) > _FEW else "")
        many = f" (and {len(strays) - 1} more)" if len(strays) > 1 else ""
        raise ModelError(f"the recipe names {strays[0]}{many}, which is no layer of the model; its layers are {known}")
    for layer in found:
        wanted = recipe.of(layer.name)
        if not is_possible(layer.weighted.kind, wanted.what, wanted.algorithm):
            possible = possible_choices(layer, tuple(dict.fromkeys((PLAIN, wanted.algorithm))))
            kind = layer.weighted.kind
            raise ModelError(
                f"the recipe asks for {wanted} at layer {layer.name}, which the library cannot do to {kind}; "
                f"it can do {', '.join(map(str, possible))}"
            )


def possible_choices(layer: Layer, algorithms: Sequence[str] = tuple(ALGORITHMS)) -> list[LayerChoice]:
    """All that can be done to a layer; algorithms count for integer weights alone."""
    found = []
    for choice in CHOICES.values():
        for algorithm in algorithms if choice.weights.startswith("int") else (PLAIN,):
            if is_possible(layer.weighted.kind, choice, algorithm):
                found.append(LayerChoice(choice.name, algorithm))
    return found


def _ranges(recipe: Recipe, found: Sequence[Layer], calibration: Calibration) -> Mapping[str, tuple[float, float]]:
    """The range of each tensor: as of 16 bits where only layers with such activations take or make it."""
    touched: dict[bool, set[str]] = {True: set(), False: set()}
    for layer in found:
        wanted = recipe.of(layer.name).what
        if wanted.calibrated:
            touched[wanted.activation_bits == 16].update((*layer.inputs, *layer.outputs))
    wide = touched[True] - touched[False]
    narrow, whole = calibration.of_bits(8), calibration.of_bits(16)
    return {name: whole[name] if name in wide else limits for name, limits in narrow.items()}


def recipe_rules(recipe: Recipe, found: Sequence[Layer]) -> Iterator[dict[str, Any]]:
    """The library's rules; later ones have precedence, but each of these is for one operator."""
    for layer in found:
        wanted = recipe.of(layer.name)
        if wanted.choice == "float32":
            continue
        algorithm, config = rule(wanted.what, wanted.algorithm)
        yield _rule(layer.weighted.scope, layer.weighted.kind, algorithm, config)
        if not wanted.what.calibrated:
            continue
        # Without weights there is nothing in them of 4 bits, which the library's rules for them know nothing of.
        algorithm, config = rule(CHOICES["int8" if wanted.what.activation_bits == 8 else "int16x8"])
        for follower in layer.followers:
            if follower.kind and is_possible(follower.kind, CHOICES["int8"]):
                yield _rule(follower.scope, follower.kind, algorithm, config)
        if layer.takes_input:
            yield _rule(None, "INPUT", algorithm, config)
        if layer.gives_output:
            yield _rule(None, "OUTPUT", algorithm, config)


def _rule(scope: str | None, operation: str, algorithm: str, config: dict[str, Any]) -> dict[str, Any]:
    regex = ".*" if scope is None else rf"^{re.escape(scope)}$"
    return {"regex": regex, "operation": operation, "algorithm_key": algorithm, "op_config": config}


def _check_made(recipe: Recipe, found: Sequence[Layer], quantized: bytes) -> None:
    """Raises VariantError for the first layer that is not what the recipe says."""
    made = {op.output: op for op in census(quantized).compute}
    for layer in found:
        wanted = recipe.of(layer.name)
        if wanted.algorithm == "hadamard" and wanted.choice != "float32":
            continue  # other operators stand in its place
        op = next((made[name] for name in layer.weighted.outputs if name in made), None)
        if op is None:
            raise VariantError(f"the file has no layer {layer.name}")
        expected = (wanted.what.activations, wanted.what.weights, wanted.what.dequantized)
        if (op.activations, op.weights, op.dequantized) != expected:
            dequantized = " dequantized" if op.dequantized else ""
            raise VariantError(
                f"the file is not what the recipe says: layer {layer.name} is to be {wanted}, it computes "
                f"{op.activations} x {op.weights}{dequantized}"
            )
