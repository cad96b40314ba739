"""When a training counts as one that ended too early."""

import numpy as np
import pytest

from segsweep.training.history import EpochReport
from segsweep.training.late_rise import late_rise


def history(values, planned: int | None = None, phases=None) -> list[EpochReport]:
    return [
        EpochReport(epoch, planned or len(values), {"val/mean_iou": float(value)}, 1.0, 0.0, 0, phase)
        for epoch, (value, phase) in enumerate(zip(values, phases or [1] * len(values), strict=True), start=1)
    ]


def test_the_rise_by_hand():
    # 15 epochs: the last three have the mean 0.62, the three before 0.57.
    values = [0.5] * 9 + [0.55, 0.57, 0.59] + [0.61, 0.62, 0.63]
    assert late_rise(history(values)) == pytest.approx(0.05)


def test_a_level_end_is_none_though_the_best_epoch_is_the_last():
    values = np.concatenate([np.linspace(0.2, 0.8, 18), 0.8 + np.linspace(0, 0.004, 12)])
    assert values.argmax() == 29
    assert late_rise(history(values)) is None


def test_a_falling_end_is_none():
    assert late_rise(history(np.linspace(0.9, 0.2, 30))) is None


def test_what_is_noise_is_none():
    """Level curves whose epochs differ by 2 points: a wrong alarm in at most some 5 % of them."""
    rng = np.random.default_rng(0)
    alarms = [late_rise(history(0.7 + 0.02 * rng.standard_normal(30))) is not None for _ in range(400)]
    assert np.mean(alarms) < 0.06


def test_a_rise_beyond_the_noise_is_found():
    rng = np.random.default_rng(1)
    trend = np.linspace(0.4, 0.8, 30)
    found = [late_rise(history(trend + 0.02 * rng.standard_normal(30))) is not None for _ in range(200)]
    assert np.mean(found) > 0.95


@pytest.mark.parametrize(
    "reports",
    [
        history(np.linspace(0.2, 0.8, 14)),
        history(np.linspace(0.2, 0.8, 20), planned=30),
        history([*np.linspace(0.2, 0.8, 20), 0.8, 0.8], phases=[1] * 20 + [2] * 2),
    ],
    ids=["too short", "stopped early", "short second phase"],
)
def test_where_one_cannot_tell(reports):
    assert late_rise(reports) is None
