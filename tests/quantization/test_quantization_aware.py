from typing import Any

import numpy as np
import pytest
import small_unet
import tf_keras as keras
from tf_keras import layers

from segsweep.errors import ModelError
from segsweep.quantization.quantization_aware import quantization_aware, unsupported_layers
from segsweep.quantization.variants import VARIANTS, check
from segsweep.tflite.census import census
from segsweep.tflite.conversion import convert_quantized
from segsweep.tflite.flatbuffer import unpack
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.tflite.requantization import XNNPACK_LIMIT, largest_requantization_scale

IMAGES, LABELS = small_unet.blobs(32, seed=1)


@pytest.mark.parametrize("upsampling", small_unet.UPSAMPLINGS)
def test_training_rounds_as_the_file_does(upsampling: str) -> None:
    model = small_unet.quantization_aware_trained(upsampling)
    expected = model.predict(IMAGES, verbose=0)
    file = TFLiteModel(small_unet.variant_file(upsampling, "qat_int8"))
    logits = file.logits(IMAGES)
    step = (expected.max() - expected.min()) / 255
    assert np.abs(logits - expected).mean() < step / 2
    assert np.mean(logits.argmax(-1) == expected.argmax(-1)) > 0.995
    assert abs(np.mean(file.predict(IMAGES) == LABELS) - np.mean(expected.argmax(-1) == LABELS)) < 0.005


def test_weights_in_the_file_are_the_rounded_ones() -> None:
    """By output channel, symmetric, in -127..127; of transposed convolutions too, which the toolkit gives one scale."""
    model = small_unet.quantization_aware_trained("transposed")
    to_file = {layers.Conv2D: (3, 0, 1, 2), layers.Conv2DTranspose: (2, 0, 1, 3)}
    expected = []
    for wrapper in model.layers:
        layer = getattr(wrapper, "layer", None)
        if type(layer) in to_file:
            kernel = next(weight for weight in wrapper.weights if "kernel" in weight.name).numpy()
            kernel = kernel.transpose(to_file[type(layer)])
            scale = np.abs(kernel).max(axis=(1, 2, 3), keepdims=True) / 127
            expected.append(np.round(kernel / scale).astype(np.int8))
    content = unpack(small_unet.variant_file("transposed", "qat_int8"))
    stored = {
        tuple(tensor.shape.tolist()): content.buffers[tensor.buffer].data.view(np.int8).reshape(tensor.shape)
        for tensor in content.subgraphs[0].tensors
        if content.buffers[tensor.buffer].data is not None and len(tensor.shape) == 4
    }
    assert len(expected) == 8
    for kernel in expected:
        assert np.mean(stored[kernel.shape] == kernel) > 0.999  # half-way weights may go either way


def test_training_computes_with_rounded_weights() -> None:
    """Rounding them beforehand changes nothing; the toolkit leaves those of a convolution before a ReLU as they are."""
    model = small_unet.quantization_aware_trained("transposed")
    rounded = quantization_aware(small_unet.trained("transposed"))
    rounded.set_weights(model.get_weights())
    moved = 0.0
    for weight in rounded.weights:
        if "kernel" in weight.name:
            axes = (0, 1, 3) if "transpose" in weight.name else (0, 1, 2)
            kernel = weight.numpy()
            scale = np.abs(kernel).max(axis=axes, keepdims=True) / 127
            weight.assign(np.round(kernel / scale) * scale)
            moved = max(moved, float(np.abs(weight.numpy() - kernel).max()))
    assert moved > 1e-3
    expected = model.predict(IMAGES, verbose=0)
    step = (expected.max() - expected.min()) / 255
    assert np.mean(np.abs(rounded.predict(IMAGES, verbose=0) - expected) > step / 10) < 0.005


def test_ranges_are_learned_within_few_steps() -> None:
    """The toolkit's own average starts at [-6, 6] and keeps 0.999 of it at each step."""
    model = small_unet.quantization_aware_trained("nearest")
    highest = [weight.numpy() for weight in model.weights if "output_max" in weight.name]
    assert len(highest) == 8
    assert not any(5.5 < value < 6 for value in highest)
    logits = small_unet.trained("nearest").predict(IMAGES, verbose=0)
    assert float(highest[-1]) == pytest.approx(logits.max(), rel=0.5)


def test_leaves_the_given_model_alone() -> None:
    model = small_unet.trained("nearest")
    before, weights = model.predict(IMAGES, verbose=0), model.get_weights()
    aware = quantization_aware(model)
    small_unet.fit(aware, epochs=1, learning_rate=1e-2)
    assert all(np.array_equal(old, new) for old, new in zip(weights, model.get_weights(), strict=True))
    np.testing.assert_array_equal(model.predict(IMAGES, verbose=0), before)


def convolution(x: Any, filters: int, **settings: object) -> Any:
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False, **settings)(x)
    return layers.ReLU(6.0)(layers.BatchNormalization()(x))


def zoo() -> keras.Model:
    """Every kind of layer that other architectures are made of."""
    inputs = keras.Input(small_unet.SHAPE)
    x = layers.ZeroPadding2D()(inputs)
    x = layers.Conv2D(8, 3, strides=2, activation="relu")(x)
    x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, use_bias=False)(x)
    skip = layers.Activation("relu")(layers.BatchNormalization()(x))
    x = layers.BatchNormalization()(layers.SeparableConv2D(16, 3, padding="same")(skip))
    x = layers.ReLU()(layers.Add()([layers.ReLU()(x), skip]))
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Activation("sigmoid")(layers.Dense(16)(layers.Dense(4, activation="relu")(gate)))
    x = layers.Multiply()([x, gate])
    x = layers.Concatenate()([convolution(x, 8, dilation_rate=2), layers.AveragePooling2D(3, 1, padding="same")(x)])
    x = layers.SpatialDropout2D(0.1)(layers.MaxPooling2D()(layers.LeakyReLU()(x)))
    x = layers.Dropout(0.1)(layers.Cropping2D(1)(layers.ZeroPadding2D(1)(x)))
    x = layers.Conv2D(small_unet.CLASSES, 1)(x)
    return keras.Model(inputs, layers.UpSampling2D(4, interpolation="bilinear")(x))


@pytest.mark.slow
def test_other_layers_become_integers_throughout() -> None:
    keras.utils.set_random_seed(0)
    model = zoo()
    assert unsupported_layers(model) == []
    small_unet.fit(model, epochs=2, learning_rate=1e-2)
    aware = quantization_aware(model)
    small_unet.fit(aware, epochs=2, learning_rate=1e-3)
    file = convert_quantized(aware)
    check(VARIANTS["qat_int8"], census(file))
    agreement = TFLiteModel(file).predict(IMAGES) == aware.predict(IMAGES, verbose=0).argmax(-1)
    assert np.mean(agreement) > 0.98


def test_names_what_cannot_be_rounded() -> None:
    inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(4, 1, activation="swish", name="inner")(inputs)
    x = layers.BatchNormalization(name="late")(layers.ReLU()(x))
    x = layers.PReLU(name="learned")(layers.Activation("gelu", name="smooth")(x))
    x = keras.Sequential([layers.Conv2D(4, 1)], name="nested")(layers.Rescaling(2.0, name="rescaled")(x))
    model = keras.Model(inputs, x, name="odd")
    assert unsupported_layers(model) == [
        "inner (Conv2D swish)",
        "late (BatchNormalization)",
        "smooth (Activation gelu)",
        "learned (PReLU)",
        "rescaled (Rescaling)",
        "nested (Sequential)",
    ]
    with pytest.raises(ModelError, match=r"odd .*late \(BatchNormalization\)"):
        quantization_aware(model)


def test_a_layer_that_lets_nothing_through_leaves_a_file_that_xnnpack_runs() -> None:
    inputs = keras.Input((8, 8, 4))
    dead = layers.Conv2D(4, 1, bias_initializer=keras.initializers.Constant(-100.0))(inputs)
    alive = layers.Conv2D(4, 1)(inputs)
    outputs = layers.Conv2D(3, 1)(layers.Concatenate()([layers.ReLU()(dead), layers.ReLU()(alive)]))
    aware = quantization_aware(keras.Model(inputs, outputs))
    aware(IMAGES[:, :8, :8], training=True)
    file = convert_quantized(aware)
    assert 0 < largest_requantization_scale(file) < XNNPACK_LIMIT
    assert TFLiteModel(file).kernels == "xnnpack"
