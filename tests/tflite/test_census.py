import json
import subprocess
import sys

import pytest
import small_unet
from tf_keras import layers

from segsweep.errors import ModelError
from segsweep.tflite.census import census

MODULES = ["census", "metadata", "interpreter", "flatbuffer"]


def test_counts_what_the_model_was_built_of() -> None:
    found = census(small_unet.float_file("transposed"))
    # `build`: 3 convolutions down, 2 up, the head; 2 transposed ones; 2 skips; batch norms and ReLUs are fused.
    assert found.ops == {"CONV_2D": 6, "TRANSPOSE_CONV": 2, "CONCATENATION": 2}
    assert found.activations == {"float32": 11}
    assert (found.inputs, found.outputs) == (("float32",), ("float32",))
    assert (found.quantize_ops, found.dequantize_ops) == (0, 0)


def test_constants_are_the_weights_in_bytes() -> None:
    model = small_unet.trained("transposed")
    kernels = [layer.kernel for layer in model.layers if hasattr(layer, "kernel")]
    # A bias for each output channel, whether of the layer or folded from its batch norm.
    biases = sum(layer.filters for layer in model.layers if isinstance(layer, layers.Conv2D))
    weights = sum(int(kernel.shape.num_elements()) for kernel in kernels)
    assert census(small_unet.float_file("transposed")).constants["float32"] == 4 * (weights + biases)
    assert census(small_unet.variant_file("transposed", "int8")).constants["int8"] == weights


def test_weights_are_seen_through_dequantize() -> None:
    found = census(small_unet.variant_file("transposed", "weight_only_int8"))
    assert found.dequantize_ops == 8
    assert {(op.name, op.activations, op.weights, op.dequantized) for op in found.compute} == {
        ("CONV_2D", "float32", "int8", True),
        ("TRANSPOSE_CONV", "float32", "int8", True),
    }


def test_weight_counts_are_those_of_the_kernels() -> None:
    model = small_unet.trained("transposed")
    expected = sorted(int(layer.kernel.shape.num_elements()) for layer in model.layers if hasattr(layer, "kernel"))
    found = census(small_unet.variant_file("transposed", "dynamic_range"))
    assert sorted(op.weight_count for op in found.compute) == expected


def test_dict_survives_json() -> None:
    found = census(small_unet.variant_file("nearest", "int16x8")).as_dict()
    assert json.loads(json.dumps(found)) == found
    assert found["compute"] == {"CONV_2D int16 x int8": 6}


@pytest.mark.parametrize("content", [b"", b"TFL3", b"hello world" * 100, b"\x1c\0\0\0TFL3" + b"\xff" * 1000])
def test_garbage_is_refused(content: bytes) -> None:
    with pytest.raises(ModelError, match=r"\.tflite"):
        census(content)


def test_needs_no_tensorflow() -> None:
    imports = "; ".join(f"import segsweep.tflite.{name}" for name in MODULES)
    subprocess.run([sys.executable, "-c", f"import sys; {imports}; assert 'tensorflow' not in sys.modules"], check=True)
