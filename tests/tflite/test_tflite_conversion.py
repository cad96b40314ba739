import numpy as np
import pytest
import small_unet

from segsweep.tflite.census import census
from segsweep.tflite.conversion import convert_float
from segsweep.tflite.interpreter import TFLiteModel


@pytest.mark.parametrize("upsampling", small_unet.UPSAMPLINGS)
@pytest.mark.parametrize("delegates", [True, False])
def test_float_file_predicts_as_keras(upsampling: str, delegates: bool) -> None:
    images, _ = small_unet.blobs(32, seed=1)
    expected = small_unet.trained(upsampling).predict(images, verbose=0)
    logits = TFLiteModel(small_unet.float_file(upsampling), delegates=delegates).logits(images)
    np.testing.assert_allclose(logits, expected, atol=1e-3)
    assert np.mean(logits.argmax(-1) == expected.argmax(-1)) >= 0.9999


@pytest.mark.parametrize("upsampling", small_unet.UPSAMPLINGS)
@pytest.mark.parametrize("variant", ["float32", "qat_int8"])
def test_no_shape_is_computed_at_run_time(upsampling: str, variant: str) -> None:
    found = census(small_unet.variant_file(upsampling, variant))
    assert not {"SHAPE", "STRIDED_SLICE", "PACK", "CAST"} & set(found.ops)
    assert TFLiteModel(small_unet.variant_file(upsampling, variant)).input_shape == small_unet.SHAPE


def test_same_weights_give_same_bytes() -> None:
    assert convert_float(small_unet.trained("nearest")) == small_unet.float_file("nearest")


def test_quantized_file_takes_and_gives_int8() -> None:
    found = census(small_unet.variant_file("nearest", "qat_int8"))
    assert (found.inputs, found.outputs) == (("int8",), ("int8",))
    assert set(found.activations) == {"int8"}
    assert set(found.constants) == {"int8", "int32"}
