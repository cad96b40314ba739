import numpy as np
import pytest
import small_unet

from segsweep.tflite.flatbuffer import pack, unpack
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.tflite.requantization import XNNPACK_LIMIT, largest_requantization_scale


def with_output_scale_of_first_layer(factor: float) -> bytes:
    """The int8 file, the scale of its first convolution's output multiplied."""
    content = unpack(small_unet.variant_file("nearest", "int8"))
    graph = content.subgraphs[0]
    output = graph.tensors[graph.operators[0].outputs[0]]
    output.quantization.scale = np.asarray(output.quantization.scale, np.float32) * np.float32(factor)
    return pack(content)


def test_it_is_input_times_weights_over_output() -> None:
    file = small_unet.variant_file("nearest", "int8")
    graph = unpack(file).subgraphs[0]
    expected = []
    for operator in graph.operators:
        if len(operator.inputs) == 3:  # activations, weights and bias
            source, weights, output = (
                graph.tensors[index].quantization.scale for index in (*operator.inputs[:2], operator.outputs[0])
            )
            expected.append(source[0] * np.max(weights) / output[0])
    assert len(expected) == 6
    assert largest_requantization_scale(file) == pytest.approx(max(expected))
    assert largest_requantization_scale(small_unet.float_file("nearest")) == 0


def test_what_xnnpack_gives_up_on_runs_without_it() -> None:
    usual = largest_requantization_scale(small_unet.variant_file("nearest", "int8"))
    file = with_output_scale_of_first_layer(usual / (2 * XNNPACK_LIMIT))
    assert largest_requantization_scale(file) >= XNNPACK_LIMIT
    model = TFLiteModel(file)
    assert model.kernels == "builtin"
    assert np.isfinite(model.logits(small_unet.blobs(1, seed=1)[0])).all()
