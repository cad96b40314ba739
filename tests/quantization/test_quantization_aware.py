from typing import Any

import numpy as np
import pytest
import small_unet
import tensorflow as tf
import tf_keras as keras
from ai_edge_litert import schema_py_generated as schema
from tf_keras import layers

from segsweep.errors import ModelError
from segsweep.quantization.activation_ranges import quantizers
from segsweep.quantization.quantization_aware import exportable, quantization_aware, unsupported_layers
from segsweep.quantization.variants import VARIANTS, check
from segsweep.tflite.census import census
from segsweep.tflite.conversion import convert_quantized
from segsweep.tflite.flatbuffer import unpack
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.tflite.requantization import XNNPACK_LIMIT, largest_requantization_scale

BATCH_NORM = layers.BatchNormalization
INT8_TENSOR = schema.TensorType.INT8
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
    model = exportable(small_unet.quantization_aware_trained("transposed"), small_unet.trained("transposed"))
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


def test_leaves_the_given_model_alone() -> None:
    model = small_unet.trained("nearest")
    before, weights = model.predict(IMAGES, verbose=0), model.get_weights()
    aware = small_unet.started(quantization_aware(model))
    small_unet.fit(aware, epochs=1, learning_rate=1e-2)
    exportable(aware, model)
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
    aware = small_unet.started(quantization_aware(model))
    small_unet.fit(aware, epochs=2, learning_rate=1e-3)
    file = convert_quantized(exportable(aware, model))
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
    aware = small_unet.started(quantization_aware(keras.Model(inputs, outputs)), images=IMAGES[:, :8, :8])
    file = convert_quantized(aware)
    assert 0 < largest_requantization_scale(file) < XNNPACK_LIMIT
    assert TFLiteModel(file).kernels == "xnnpack"


def rounding_network() -> keras.Model:
    """A convolution, its batch norm with statistics of its own, and a ReLU."""
    inputs = keras.Input((8, 8, 4))
    x = layers.BatchNormalization(name="norm")(layers.Conv2D(6, 1, use_bias=False, name="conv")(inputs))
    model = keras.Model(inputs, layers.ReLU(name="relu")(x))
    rng = np.random.default_rng(0)
    gamma = rng.uniform(0.5, 2, 6) * np.array([1, -1, 1, 1, -1, 1])
    model.get_layer("norm").set_weights([gamma, rng.normal(size=6), rng.normal(size=6), rng.uniform(0.5, 2, 6)])
    return model


def on_grid(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """The values in 8 bits from `low` to `high`, of which 0 is one step."""
    scale = (high - low) / 255
    zero = np.round(-low / scale)
    return (np.clip(np.round(values / scale) + zero, 0, 255) - zero) * scale


@pytest.mark.parametrize("training", [True, False])
def test_batch_norms_are_kept_and_rounded_as_folded_ones(training: bool) -> None:
    """Jacob et al. 2018, section 3.2, with a scale for each output channel, in NumPy."""
    model = rounding_network()
    aware = small_unet.started(quantization_aware(model), "average", images=IMAGES[:, :8, :8])
    images = IMAGES[:16, :8, :8]
    found = aware(images, training=training).numpy()

    ranges = {each.layer: each.range for each in quantizers(aware)}
    (kernel,), (gamma, beta, mean, variance) = (model.get_layer(each).get_weights() for each in ("conv", "norm"))
    entering = on_grid(images.astype(np.float64), *ranges[""])
    if training:
        scale = np.abs(kernel).max(axis=(0, 1, 2)) / 127
        computed = entering @ (np.round(kernel / scale) * scale)[0, 0]
        mean, variance = computed.mean(axis=(0, 1, 2)), computed.var(axis=(0, 1, 2))
    factor = gamma / np.sqrt(variance + model.get_layer("norm").epsilon)
    folded = (kernel * factor)[0, 0]
    scale = np.abs(folded).max(axis=0) / 127
    computed = entering @ (np.round(folded / scale) * scale) + beta - mean * factor
    expected = on_grid(np.maximum(computed, 0), *ranges["relu"])
    # A value half-way between two steps may go either way.
    step = (ranges["relu"][1] - ranges["relu"][0]) / 255
    assert np.mean(np.abs(found - expected) > step / 2) < 0.002
    assert np.abs(found - expected).max() < 1.01 * step


def test_batch_norms_learn_their_statistics_while_fine_tuning() -> None:
    aware = small_unet.started(quantization_aware(small_unet.trained("nearest")))
    norms = [wrapper.layer for wrapper in aware.layers if isinstance(getattr(wrapper, "layer", None), BATCH_NORM)]
    assert len(norms) == 5
    before = [norm.moving_mean.numpy() for norm in norms]
    aware(IMAGES, training=True)
    assert not any(np.array_equal(old, norm.moving_mean.numpy()) for old, norm in zip(before, norms, strict=True))


def test_few_bright_images_do_not_decide_the_range_of_the_input() -> None:
    """The toolkit takes the smallest and the largest value that it ever saw."""
    images = IMAGES.copy()
    images[3] *= 50
    aware = small_unet.started(quantization_aware(small_unet.trained("nearest")), "average", images)
    (of_input,) = (each for each in quantizers(aware) if each.layer == "")
    expected = [images.min(axis=(1, 2, 3)).mean(), images.max(axis=(1, 2, 3)).mean()]
    np.testing.assert_allclose(of_input.range, expected, rtol=1e-5)
    aware(images, training=True)
    np.testing.assert_allclose(of_input.range, expected, rtol=1e-5)


def test_the_first_batch_does_not_decide_the_ranges() -> None:
    """Neither a first nor any other batch sets one: they start where they are told to, and learn by gradient."""
    aware = small_unet.started(quantization_aware(small_unet.trained("nearest")))
    before = [each.range for each in quantizers(aware)]
    assert len(before) == 9
    aware(100 * IMAGES, training=True)
    assert [each.range for each in quantizers(aware)] == before


def test_a_range_learns_from_what_it_clips() -> None:
    """The gradient by hand: what is clipped moves with its end of the range, all else not at all."""
    inputs = keras.Input((1, 1, 4))
    aware = quantization_aware(keras.Model(inputs, layers.MaxPooling2D(1)(inputs)))
    (of_input,) = quantizers(aware)
    of_input.start(-1.0, 2.0)
    values = tf.reshape(tf.constant([-3.0, 0.5, 2.5, 4.0]), (1, 1, 1, 4))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(aware(values, training=True) * tf.constant([7.0, 1.0, 2.0, 3.0]))
    low, high = tape.gradient(loss, [of_input.variables["log_min"], of_input.variables["log_max"]])
    # d(low * exp(l)) / dl = low at l = 0; the ends of the grid lie within half a step of the range.
    assert float(low) == pytest.approx(7 * -1.0, rel=0.01)
    assert float(high) == pytest.approx((2 + 3) * 2.0, rel=0.01)


def test_learned_ranges_are_those_of_the_file() -> None:
    aware, model = small_unet.quantization_aware_trained("nearest"), small_unet.trained("nearest")
    moved = [float(each.variables["log_max"].numpy()) for each in quantizers(aware)]
    assert np.abs(moved).max() > 1e-3
    content = unpack(small_unet.variant_file("nearest", "qat_int8"))
    scales = [tensor.quantization.scale[0] for tensor in content.subgraphs[0].tensors if tensor.type == INT8_TENSOR]
    for low, high in (each.range for each in quantizers(exportable(aware, model))):
        assert np.isclose(scales, (high - low) / 255, rtol=1e-3).any()
