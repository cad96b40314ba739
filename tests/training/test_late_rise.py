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


MEASURED = {
    # experiment=quickstart model.width=8 training.learning_rate=0.003 seed=1: 720 and 1080 optimizer steps. With 720
    # the best mean IoU of the validation is 0.835, with 1080 it is 0.856.
    "720 steps": """
        0.572 0.626 0.656 0.632 0.688 0.687 0.687 0.716 0.694 0.666 0.691 0.747 0.710 0.724 0.778 0.773 0.795 0.781
        0.761 0.805 0.810 0.813 0.826 0.813 0.826 0.832 0.833 0.833 0.834 0.835
    """,
    "1080 steps": """
        0.572 0.625 0.657 0.637 0.687 0.684 0.685 0.716 0.691 0.645 0.702 0.741 0.720 0.729 0.762 0.744 0.788 0.769
        0.782 0.776 0.803 0.813 0.827 0.811 0.831 0.829 0.840 0.845 0.827 0.842 0.840 0.848 0.851 0.846 0.845 0.854
        0.854 0.852 0.855 0.856 0.854 0.853 0.854 0.854 0.855
    """,
    # experiment=quickstart model.width=16 training.learning_rate=0.01 seed=1 training.batch_size=16: 180 steps.
    "180 steps": """
        0.225 0.377 0.432 0.583 0.627 0.664 0.674 0.677 0.694 0.688 0.687 0.699 0.723 0.705 0.708 0.715 0.721 0.730
        0.751 0.745 0.761 0.756 0.761 0.774 0.771 0.778 0.781 0.779 0.779 0.780
    """,
}


@pytest.mark.parametrize(("name", "rises"), [("180 steps", True), ("720 steps", True), ("1080 steps", False)])
def test_measured_curves_of_cosine_schedules(name, rises):
    values = [float(word) for word in MEASURED[name].split()]
    assert (late_rise(history(values)) is not None) == rises
