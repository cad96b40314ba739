import numpy as np
import pytest
import small_unet

from segsweep.quantization.clipped_ranges import by_percentile, by_squared_error, clipped
from segsweep.quantization.post_training import calibrate, quantize
from segsweep.quantization.variants import VARIANTS
from segsweep.tflite.interpreter import TFLiteModel

IMAGES, LABELS = small_unet.blobs(32, seed=1)


def test_percentiles_by_numpy():
    values = np.arange(-100, 901, dtype=np.float32)
    assert by_percentile(values, (-100, 900), 90) == pytest.approx((-50, 850))
    # 0 stays within, and nothing is left of what is always the same.
    assert by_percentile(np.abs(values), (0, 900), 50)[0] == 0
    assert by_percentile(np.zeros(9, np.float32), (0.0, 1.0), 50) == (0.0, 1.0)


def test_the_squared_error_is_less_than_of_the_whole_range():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(size=100_000), [60.0]]).astype(np.float32)
    low, high = by_squared_error(values, (float(values.min()), 60.0), 0)
    assert high < 60

    def error(low, high):
        scale = (high - low) / 255
        return np.mean(np.square(np.rint(values.clip(low, high) / scale) * scale - values))

    assert error(low, high) < error(float(values.min()), 60.0)
    even = rng.uniform(0, 1, 10_000).astype(np.float32)
    assert by_squared_error(even, (0.0, 1.0), 0) == pytest.approx((0, 1), abs=0.03)


@pytest.mark.parametrize("how", ["percentile", "mse"])
def test_outliers_no_longer_take_the_range(how):
    file = small_unet.float_file("nearest")
    calibration = small_unet.calibration("nearest")
    images = small_unet.blobs(16, seed=0)[0]
    found = clipped(calibration, file, images, how, 99.0)
    assert found.ranges.keys() == calibration.ranges.keys()
    widths = [
        (high - low) / (calibration.ranges[name][1] - calibration.ranges[name][0])
        for name, (low, high) in found.ranges.items()
    ]
    assert max(widths) <= 1
    assert min(widths) < 0.9
    quantized = TFLiteModel(quantize(file, VARIANTS["int8"], found))
    assert np.mean(quantized.predict(IMAGES) == TFLiteModel(file).predict(IMAGES)) > 0.95


def test_min_max_changes_nothing():
    calibration = small_unet.calibration("nearest")
    assert clipped(calibration, b"", IMAGES, "min_max", 99) is calibration


def test_ranges_of_the_values_are_those_of_the_calibration(monkeypatch):
    monkeypatch.setattr("segsweep.quantization.observed_activations._VALUES", 10**6)
    file = small_unet.float_file("nearest")
    calibration = calibrate(file, IMAGES[:4])
    whole = clipped(calibration, file, IMAGES[:4], "percentile", 99.9999999)
    for name, (low, high) in calibration.ranges.items():
        assert whole.ranges[name] == pytest.approx((min(low, 0), max(high, 0)), rel=1e-3, abs=1e-4), name
