"""Bands multiplied, and the first weights divided: the same answers; and where that cannot be."""

import numpy as np
import pytest
import small_unet
import tf_keras as keras
from tf_keras import layers

from segsweep.errors import ModelError
from segsweep.quantization.band_rescaling import band_weights, rescale_bands
from segsweep.tflite.conversion import convert_float
from segsweep.tflite.interpreter import TFLiteModel

FACTORS = np.array([0.01, 1.0, 30.0, 7.0])


def images_of(count: int = 3) -> np.ndarray:
    return small_unet.blobs(count, seed=9)[0]


def model_of(first) -> bytes:
    inputs = keras.Input(small_unet.SHAPE)
    return convert_float(keras.Model(inputs, layers.Conv2D(3, 1)(first(inputs))))


FIRST = {
    "convolution": lambda x: layers.Conv2D(5, 3, strides=1, padding="same", activation="relu")(x),
    "two of them": lambda x: layers.Add()([layers.Conv2D(4, 3, padding="same")(x), layers.Conv2D(4, 1)(x)]),
    "depthwise": lambda x: layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(x),
    "padding before": lambda x: layers.Conv2D(5, 3)(layers.ZeroPadding2D(1)(x)),
}


@pytest.mark.parametrize("first", FIRST)
def test_the_answers_are_the_same_for_bands_that_are_so_many_times_as_large(first):
    file, images = model_of(FIRST[first]), images_of()
    rescaled = rescale_bands(file, FACTORS)
    true = TFLiteModel(file).logits(images)
    found = TFLiteModel(rescaled).logits((images * FACTORS).astype(np.float32))
    np.testing.assert_allclose(found, true, atol=1e-5 * np.abs(true).max())
    other = TFLiteModel(rescaled).logits(images)
    assert np.abs(other - true).max() > 0.1 * np.abs(true).max(), "and are others for the bands as they were"


def test_a_whole_network_agrees_and_goes_back():
    file, images = small_unet.float_file("nearest"), images_of()
    rescaled = rescale_bands(file, FACTORS)
    true = TFLiteModel(file).logits(images)
    np.testing.assert_allclose(
        TFLiteModel(rescaled).logits((images * FACTORS).astype(np.float32)), true, atol=1e-4 * np.abs(true).max()
    )
    np.testing.assert_allclose(band_weights(rescaled), band_weights(file) / FACTORS, rtol=1e-6)


def test_the_largest_weight_of_each_band_is_found_in_the_layout_of_the_operator():
    convolution, depthwise = layers.Conv2D(2, 1, use_bias=False), layers.DepthwiseConv2D(1, depth_multiplier=2)
    inputs = keras.Input(small_unet.SHAPE)
    for layer in (convolution, depthwise):
        model = keras.Model(inputs, layers.Conv2D(3, 3)(layer(inputs)))
        # Keras: (height, width, in, out) and (height, width, in, multiplier).
        weights = np.array([[1, -2], [0.5, 0.25], [-7, 3], [0, 0.125]], np.float32).reshape(1, 1, 4, 2)
        layer.set_weights([weights, *layer.get_weights()[1:]])
        np.testing.assert_array_equal(band_weights(convert_float(model)), [2, 0.5, 7, 0.125])


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (lambda x: layers.Concatenate()([x, layers.Conv2D(4, 3, padding="same")(x)]), "goes to CONCATENATION"),
        (lambda x: layers.ReLU()(x), "goes to RELU"),
        (lambda x: layers.Conv2D(4, 3, padding="same", groups=2)(x), "has no float32 weights of its own for each band"),
    ],
)
def test_an_input_that_goes_elsewhere_is_refused(first, said):
    with pytest.raises(ModelError, match=said):
        rescale_bands(model_of(first), FACTORS)


def test_a_quantized_file_is_refused():
    with pytest.raises(ModelError, match=r"input goes to|no float32 weights"):
        rescale_bands(small_unet.variant_file("nearest", "int8"), FACTORS)
