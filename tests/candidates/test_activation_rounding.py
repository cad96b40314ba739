"""Activations on the grid of an integer type, held against the same arithmetic in NumPy; and the noise that makes."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from segsweep.candidates.tensor_noise import signal_to_noise
from segsweep.errors import ModelError
from segsweep.quantization.activation_rounding import round_activations
from segsweep.quantization.layers import layers
from segsweep.quantization.mixed import quantize_mixed
from segsweep.quantization.recipe import LayerChoice, Recipe


def inside(model: bytes, image: np.ndarray) -> dict[str, np.ndarray]:
    """All tensors of a run, by name."""
    interpreter = Interpreter(
        model_content=model,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[np.newaxis])
    interpreter.invoke()
    found = {}
    for detail in interpreter.get_tensor_details():
        try:
            found[detail["name"]] = interpreter.get_tensor(detail["index"])
        except ValueError:  # one without data
            continue
    return found


def rounded(values: np.ndarray, low: float, high: float, bits: int) -> np.ndarray:
    """On the grid: 8 bits over the whole range, 16 bits symmetric about 0."""
    low, high = min(low, 0.0), max(high, 0.0)
    if bits == 16:
        scale = max(-low, high) / 32767
        return np.clip(np.rint(values / scale), -32768, 32767) * scale
    scale = (high - low) / 255
    zero = np.rint(-128 - low / scale)
    return (np.clip(np.rint(values / scale) + zero, -128, 127) - zero) * scale


@pytest.mark.parametrize("bits", [8, 16])
def test_what_goes_in_and_what_comes_out_is_on_the_grid_and_nothing_else_is(problem, bits):
    image = problem.images[0]
    ranges = problem.calibration.ranges
    exact = inside(problem.float_model, image)
    for layer in layers(problem.float_model):
        file = round_activations(problem.float_model, layer, ranges, bits)
        found = inside(file, image)
        (name,) = layer.inputs
        step = (max(ranges[name][1], 0) - min(ranges[name][0], 0)) / (2**bits - 1)
        assert np.array_equal(found[name], exact[name]), "others see the input as it was"
        off = np.abs(found[f"{name}/rounded"] - rounded(exact[name], *ranges[name], bits)) > step / 100
        assert off.mean() < 1e-2, "but for halves, which LiteRT rounds away from 0"
        for output in layer.outputs:
            wanted = rounded(found[f"{output}/raw"], *ranges[output], bits)
            step = (max(ranges[output][1], 0) - min(ranges[output][0], 0)) / (2**bits - 1)
            off = np.abs(found[output] - wanted) > step / 100
            assert off.mean() < 1e-2


def test_a_layer_without_a_calibration_is_refused(problem):
    with pytest.raises(ModelError, match="the calibration says nothing about the tensor"):
        round_activations(problem.float_model, layers(problem.float_model)[1], {}, 8)


def test_noise_is_what_numpy_finds_and_none_without_a_difference(problem):
    layer = layers(problem.float_model)[2]
    (output,) = layer.weighted.outputs
    recipe = Recipe({layer.name: LayerChoice("weight_only_int8")})
    file = quantize_mixed(problem.float_model, recipe)
    signal = noise = 0.0
    for image in problem.images[:3]:
        true, other = (inside(model, image)[output].astype(np.float64) for model in (problem.float_model, file))
        signal, noise = signal + np.sum(true**2), noise + np.sum((true - other) ** 2)
    found = signal_to_noise(problem.float_model, file, problem.images[:3], [output, "no such tensor"])
    assert found == {output: pytest.approx(10 * np.log10(signal / noise))}
    same = signal_to_noise(problem.float_model, problem.float_model, problem.images[:1], [output])
    assert same == {output: float("inf")}


def test_integer_tensors_are_compared_by_what_they_stand_for(problem):
    found = layers(problem.float_model)
    outputs = [layer.weighted.outputs[0] for layer in found]
    coarse, fine = (
        signal_to_noise(
            problem.float_model,
            quantize_mixed(problem.float_model, Recipe(default=LayerChoice(choice)), problem.calibration),
            problem.images[:2],
            outputs,
        )
        for choice in ("int8", "int16x8")
    )
    assert set(coarse) == set(fine) == set(outputs)
    assert all(10 < coarse[name] < fine[name] < 80 for name in outputs)
