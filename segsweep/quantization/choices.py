"""What one layer of a mixed file can be computed in, and by which algorithms its weights can be rounded."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    """A way to store and compute one layer."""

    name: str
    """The user's word."""
    weights: str
    """Data type the weights are stored in."""
    activations: str
    """Data type of the activations that go in and come out."""
    dequantized: bool
    """Whether weights become float32 before they are multiplied with."""
    weight_bits: int
    """Bits a weight."""

    @property
    def calibrated(self) -> bool:
        """Whether it needs the ranges of activations."""
        return self.activations != "float32"

    @property
    def activation_bits(self) -> int:
        """Bits of an activation that is stored as an integer; 32 for float32."""
        return {"int8": 8, "int16": 16, "float32": 32}[self.activations]


CHOICES: Mapping[str, Choice] = {
    choice.name: choice
    for choice in (
        Choice("float32", "float32", "float32", dequantized=False, weight_bits=32),
        Choice("float16", "float16", "float32", dequantized=True, weight_bits=16),
        Choice("weight_only_int8", "int8", "float32", dequantized=True, weight_bits=8),
        Choice("weight_only_int4", "int4", "float32", dequantized=True, weight_bits=4),
        Choice("dynamic_int8", "int8", "float32", dequantized=False, weight_bits=8),
        Choice("dynamic_int4", "int4", "float32", dequantized=False, weight_bits=4),
        Choice("int8", "int8", "int8", dequantized=False, weight_bits=8),
        Choice("int4", "int4", "int8", dequantized=False, weight_bits=4),
        Choice("int16x8", "int8", "int16", dequantized=False, weight_bits=8),
        Choice("int16x4", "int4", "int16", dequantized=False, weight_bits=4),
    )
}
"""By name. `weight_only_` computes in float32; `dynamic_` rounds activations to int8 as they come; `int4` has int4
weights and int8 activations; `int16x8` and `int16x4` have int16 activations."""

PLAIN = "min_max"
"""The algorithm that cuts nothing: the largest weight of a channel decides its scale."""
ALGORITHMS: Mapping[str, str] = {
    PLAIN: "min_max_uniform_quantize",
    "octav": "OCTAV",
    "mse": "MSE",
    "hadamard": "DECOMPOSED_HADAMARD_ROTATION",
}
"""How integer weights are found, as the library calls it. OCTAV: Sakr et al., Optimal Clipping and Magnitude-aware
Differentiation (2022). GPTQ and OSCAR, which the library has for dense layers alone, need statistics of their own."""
