"""Choices in litert-quantizer's words.

The library ignores a rule that it cannot follow, without a word; what is possible is asked for here first.
"""

from typing import Any

from litert_quantizer import algorithm_manager
from litert_quantizer.qtyping import OpQuantizationConfig, TFLOperationName

from segsweep.quantization.choices import ALGORITHMS, PLAIN, Choice


def rule(choice: Choice, algorithm: str = PLAIN) -> tuple[str, dict[str, Any]]:
    """The library's algorithm and configuration of an operator; for a choice other than `float32`."""
    assert choice.weights != "float32"
    is_float = choice.weights == "float16"
    config: dict[str, Any] = {
        "weight_tensor_config": {
            "num_bits": choice.weight_bits,
            "symmetric": True,
            "granularity": "TENSORWISE" if is_float else "CHANNELWISE",
            "dtype": "FLOAT" if is_float else "INT",
        },
        "compute_precision": "FLOAT" if choice.dequantized else "INTEGER",
        "explicit_dequantize": choice.dequantized,
    }
    if choice.calibrated:
        bits = choice.activation_bits
        config["activation_tensor_config"] = {
            "num_bits": bits,
            "symmetric": bits == 16,
            "granularity": "TENSORWISE",
            "dtype": "INT",
        }
    return ("float_casting" if is_float else ALGORITHMS[algorithm]), config


def is_possible(operator: str, choice: Choice, algorithm: str = PLAIN) -> bool:
    """Whether the library can do so to an operator, which is called as the library does (`CONV_2D_TRANSPOSE`)."""
    if choice.weights == "float32":
        return True
    if choice.weights == "float16" and algorithm != PLAIN:
        return False
    key, config = rule(choice, algorithm)
    try:
        name = TFLOperationName(operator)
        algorithm_manager.check_op_quantization_config(key, name, OpQuantizationConfig.from_dict(config))
    except ValueError:
        return False
    return True
