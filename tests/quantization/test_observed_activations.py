"""One look at each image gives the calibration of any choice of them."""

import numpy as np
import pytest
import small_unet

from segsweep.errors import ModelError
from segsweep.quantization.clipped_ranges import clipped, narrowed
from segsweep.quantization.observed_activations import ObservedActivations
from segsweep.quantization.post_training import calibrate, calibration_of


def test_any_choice_of_images_calibrates_as_if_they_had_been_looked_at_alone():
    file, images = small_unet.float_file("nearest"), small_unet.blobs(12, seed=4)[0]
    names = tuple(calibrate(file, images[:1]).ranges)
    observed = ObservedActivations(file, len(images), [*names, "no such tensor"])
    assert set(observed.names) == set(names)
    observed.add([7, 2], iter(images[[7, 2]]))
    missing = observed.missing(np.array([2, 0, 3, 0, 7]))
    assert missing.tolist() == [0, 3]
    rest = observed.missing(np.arange(12))
    observed.add(rest, images[rest])
    assert not len(observed.missing(np.arange(12)))
    for rows in (np.array([0]), np.array([1, 5, 7]), np.arange(12)):
        expected = calibrate(file, images[rows])
        found = calibration_of(observed.ranges_of(rows), len(rows))
        assert found.samples == expected.samples
        for name, limits in expected.ranges.items():
            assert found.ranges[name] == pytest.approx(limits, rel=1e-4, abs=1e-5), name
        for how in ("percentile", "mse"):
            want = clipped(expected, file, images[rows], how, 99.0)
            have = narrowed(found, observed.values_of(rows), how, 99.0)
            for name, limits in want.ranges.items():
                assert have.ranges[name] == pytest.approx(limits, rel=1e-4, abs=1e-5), (name, how)


def test_values_are_those_of_the_input_evenly_spread():
    file, images = small_unet.float_file("nearest"), small_unet.blobs(3, seed=4)[0]
    (name,) = [each for each in calibrate(file, images).ranges if "serving_default" in each or "input" in each]
    observed = ObservedActivations(file, 3, [name])
    observed.add(range(3), images)
    flat = images.reshape(3, -1)
    chosen = np.linspace(0, flat.shape[1] - 1, 2048).astype(np.int64)
    np.testing.assert_array_equal(observed.values_of(np.array([0, 2]))[name], flat[[0, 2]][:, chosen].ravel())
    assert observed.ranges_of(np.array([0, 2]))[name] == (flat[[0, 2]].min(), flat[[0, 2]].max())


def test_what_is_always_0_has_a_range_and_what_is_not_finite_is_refused():
    assert calibration_of({"a": (0.0, 0.0), "b": (-1.0, 0.0)}, 2).ranges == {"a": (0.0, 1.0), "b": (-1.0, 0.0)}
    with pytest.raises(ModelError, match="b takes values that are not finite"):
        calibration_of({"a": (0.0, 0.0), "b": (-1.0, float("inf"))}, 2)
