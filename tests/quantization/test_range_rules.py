"""Rules of ranges against cases worked by hand, NumPy, SciPy and litert-quantizer's own updates."""

import numpy as np
import pytest
from litert_quantizer.utils.qsv_utils import min_max_update, moving_average_update

from segsweep.quantization.range_rules import (
    _SHARES,
    RULES,
    RangeChoice,
    TensorValues,
    average,
    by_percentile,
    by_squared_error,
    min_max,
    ranges_by,
)


def tensor(values, images=1) -> TensorValues:
    """Values (N * P,), of which each image has the next P."""
    values = np.asarray(values, np.float32)
    by_image = values.reshape(images, -1)
    return TensorValues(values, by_image.min(axis=1), by_image.max(axis=1))


def test_extremes_and_their_average_by_hand():
    found = tensor([-4, 8, -2, 1, 0, 3], images=3)
    assert min_max(found, 99) == (-4, 8)
    assert average(found, 99) == (-2, 4)
    # 0 stays within, and what is always the same keeps its range.
    assert average(tensor([1, 2, 3, 4], images=2), 99) == (0, 3)
    assert average(tensor([0, 0]), 99) == (0, 0)


def test_extremes_and_their_average_are_those_of_the_library():
    rng = np.random.default_rng(0)
    lows, highs = -rng.uniform(1, 9, 6), rng.uniform(1, 9, 6)
    found = TensorValues(np.concatenate([lows, highs]).astype(np.float32), lows, highs)
    states = [{"min": np.array([low]), "max": np.array([high])} for low, high in zip(lows, highs, strict=True)]
    extremes, mean = states[0], states[0]
    for seen, state in enumerate(states[1:], start=1):
        extremes = min_max_update(extremes, state)
        # A moving average that gives the n-th image a weight of 1/n is the mean.
        mean = moving_average_update(mean, state, smoothing_factor=seen / (seen + 1))
    assert min_max(found, 99) == (extremes["min"][0], extremes["max"][0])
    assert average(found, 99) == pytest.approx((mean["min"][0], mean["max"][0]))


def test_percentiles_by_numpy():
    values = np.arange(-100, 901, dtype=np.float32)
    assert by_percentile(tensor(values), 90) == pytest.approx((-50, 850))
    assert by_percentile(tensor(np.abs(values)), 50)[0] == 0
    assert by_percentile(TensorValues(np.zeros(9), np.zeros(1), np.ones(1)), 50) == (0.0, 1.0)


def rounded(values, low, high):
    scale = (high - low) / 255
    return np.rint(values.clip(low, high) / scale) * scale


@pytest.mark.parametrize("offset", [0.0, -3.0, 0.4])
def test_the_squared_error_is_the_least_of_all_shares(offset):
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(size=20_000) + offset, [60.0]]).astype(np.float32)
    low, high = by_squared_error(tensor(values), 0)
    ends = min(float(values.min()), 0.0), 60.0
    errors = [np.mean(np.square(rounded(values.astype(float), ends[0] * s, ends[1] * s) - values)) for s in _SHARES]
    share = _SHARES[int(np.argmin(errors))]
    assert share < 1
    assert (low, high) == pytest.approx((ends[0] * share, ends[1] * share))


def test_even_values_are_not_clipped():
    even = tensor(np.random.default_rng(0).uniform(0, 1, 10_000))
    assert by_squared_error(even, 0) == pytest.approx((0, 1), abs=0.03)


@pytest.mark.parametrize("rule", RULES)
def test_no_rule_depends_on_the_order_of_the_images(rule):
    rng = np.random.default_rng(3)
    images = rng.lognormal(sigma=2, size=(37, 501)).astype(np.float32) - 1
    found = {RULES[rule](tensor(images[order].ravel(), 37), 99) for order in map(rng.permutation, [37] * 20)}
    assert len(found) == 1


@pytest.mark.parametrize("rule", RULES)
def test_no_rule_leaves_the_range_of_the_values(rule):
    values = np.random.default_rng(1).standard_cauchy(4000)
    low, high = RULES[rule](tensor(values, 8), 99.9)
    assert values.min() - 1e-3 <= low < 0 < high <= values.max() + 1e-3


def test_the_input_can_have_another_rule_than_the_rest():
    tensors = {"image": tensor([-4, 8, -2, 2], 2), "x": tensor([-4, 8, -2, 2], 2)}
    assert ranges_by(RangeChoice("average", "min_max"), tensors, "image", 99) == {"image": (-3, 5), "x": (-4, 8)}


@pytest.mark.parametrize("choice", [RangeChoice.of("mse"), RangeChoice("average", "min_max")])
def test_a_choice_is_what_its_text_says(choice):
    assert RangeChoice.parse(str(choice)) == choice
