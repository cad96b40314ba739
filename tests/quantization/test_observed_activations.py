"""One look at each image gives the calibration of any choice of them."""

import numpy as np
import pytest
import small_unet
import tf_keras as keras
from tf_keras import layers

from segsweep.errors import ModelError
from segsweep.quantization.automatic_ranges import calibrate_by, calibration_by
from segsweep.quantization.observed_activations import ObservedActivations, activations
from segsweep.quantization.post_training import calibrate, calibration_of
from segsweep.quantization.range_rules import RULES, RangeChoice
from segsweep.tflite.conversion import convert_float


@pytest.mark.parametrize("upsampling", small_unet.UPSAMPLINGS)
def test_any_choice_of_images_calibrates_as_if_they_had_been_looked_at_alone(upsampling):
    file, images = small_unet.float_file(upsampling), small_unet.blobs(12, seed=4)[0]
    names = calibrate(file, images[:1]).ranges.keys()
    assert activations(file) == set(names)
    observed = ObservedActivations(file, len(images), [*names, "no such tensor"])
    assert set(observed.names) == set(names)
    observed.add([7, 2], iter(images[[7, 2]]))
    missing = observed.missing(np.array([2, 0, 3, 0, 7]))
    assert missing.tolist() == [0, 3]
    rest = observed.missing(np.arange(12))
    observed.add(rest, images[rest])
    assert not len(observed.missing(np.arange(12)))
    for rows in (np.array([0]), np.array([1, 5, 7]), np.arange(12)):
        # litert-quantizer takes its minima and maxima inside the interpreter.
        expected = calibrate(file, images[rows])
        found = calibration_by(RangeChoice.of("min_max"), observed, rows, 99.0)
        assert found.samples == expected.samples
        assert found.ranges == expected.ranges
        for rule in RULES:
            choice = RangeChoice(input="average", activations=rule)
            assert calibration_by(choice, observed, rows, 99.0) == calibrate_by(file, images[rows], choice, 99.0)


def test_no_operator_is_fused_away():
    """XNNPACK joins padding with convolutions, and additions with activations, where nobody wants what lies between."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input(small_unet.SHAPE)
    x = layers.DepthwiseConv2D(3, strides=2)(layers.ZeroPadding2D(((0, 1), (0, 1)))(inputs))
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.ReLU()(layers.Add()([x, layers.Conv2D(4, 3, padding="same", dilation_rate=2)(x)]))
    x = layers.Multiply()([x, layers.Activation("sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))])
    x = layers.Activation("hard_sigmoid")(layers.Conv2D(4, 1)(layers.AveragePooling2D(2)(x)))
    model = keras.Model(inputs, layers.Conv2D(3, 1)(layers.UpSampling2D(4, interpolation="bilinear")(x)))
    file, images = convert_float(model), small_unet.blobs(5, seed=4)[0]
    plain = calibrate(file, images)
    observed = ObservedActivations(file, 5)
    observed.add(range(5), images)
    found = calibration_by(RangeChoice.of("min_max"), observed, np.arange(5), 99.0)
    assert found.ranges.keys() == plain.ranges.keys()
    for name, limits in plain.ranges.items():
        assert found.ranges[name] == pytest.approx(limits, rel=1e-5, abs=1e-6), name


def test_values_are_those_of_the_input_evenly_spread():
    file, images = small_unet.float_file("nearest"), small_unet.blobs(3, seed=4)[0]
    observed = ObservedActivations(file, 3)
    observed.add(range(3), images)
    flat = images.reshape(3, -1)
    chosen = np.linspace(0, flat.shape[1] - 1, 2048).astype(np.int64)
    found = observed.tensors(np.array([0, 2]))[observed.input_name]
    np.testing.assert_array_equal(found.values, flat[[0, 2]][:, chosen].ravel())
    np.testing.assert_array_equal(found.lows, flat[[0, 2]].min(axis=1))
    np.testing.assert_array_equal(found.highs, flat[[0, 2]].max(axis=1))


def test_what_is_always_0_has_a_range_and_what_is_not_finite_is_refused():
    assert calibration_of({"a": (0.0, 0.0), "b": (-1.0, 0.0)}, 2).ranges == {"a": (0.0, 1.0), "b": (-1.0, 0.0)}
    with pytest.raises(ModelError, match="b takes values that are not finite"):
        calibration_of({"a": (0.0, 0.0), "b": (-1.0, float("inf"))}, 2)
    images = small_unet.blobs(2, seed=4)[0]
    images[1, 3, 3, 0] = np.inf
    with pytest.raises(ModelError, match="takes values that are not finite"):
        calibrate_by(small_unet.float_file("nearest"), images, RangeChoice.of("percentile"), 99.0)
