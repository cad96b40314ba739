from dataclasses import replace

import pytest
import tf_keras as keras

from segsweep.config.training_schema import TrainingConfig
from segsweep.errors import ConfigError
from segsweep.training.schedules import SCHEDULES, learning_rate

SETTINGS = TrainingConfig(epochs=10, learning_rate=0.2)
STEPS = 5
TOTAL = 50

KERAS = {
    "constant": lambda step: 0.2,
    "cosine": keras.optimizers.schedules.CosineDecay(0.2, TOTAL),
    "linear": keras.optimizers.schedules.PolynomialDecay(0.2, TOTAL, end_learning_rate=0.0, power=1),
    "exponential": keras.optimizers.schedules.ExponentialDecay(0.2, TOTAL, 0.01),
    # Where nothing has come to a plateau; the rest is compared in test_phases.py.
    "plateau": lambda step: 0.2,
}


def test_every_schedule_is_tested():
    assert KERAS.keys() == SCHEDULES.keys()


@pytest.mark.parametrize("name", KERAS)
def test_equals_that_of_keras(name):
    for step in (0, 1, 7, 25, 49):
        expected = float(KERAS[name](step))
        assert learning_rate(replace(SETTINGS, schedule=name), step, STEPS) == pytest.approx(expected, rel=1e-5)


def test_warmup_equals_that_of_keras():
    oracle = keras.optimizers.schedules.CosineDecay(0.0, TOTAL - 10, warmup_target=0.2, warmup_steps=10)
    settings = replace(SETTINGS, schedule="cosine", warmup_epochs=2)
    for step in range(TOTAL):
        assert learning_rate(settings, step, STEPS) == pytest.approx(float(oracle(step)), rel=1e-5, abs=1e-7)


def test_by_hand():
    settings = replace(SETTINGS, schedule="linear", warmup_epochs=2)
    rates = [learning_rate(settings, step, STEPS) for step in (0, 5, 10, 30, 50)]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.1, 0])


def test_warmup_as_long_as_the_training():
    settings = replace(SETTINGS, warmup_epochs=10)
    assert learning_rate(settings, 49, STEPS) == pytest.approx(0.2 * 49 / 50)
    assert learning_rate(settings, 50, STEPS) == pytest.approx(0.2)


def test_unknown_name():
    with pytest.raises(ConfigError, match=r"training\.schedule=steps is unknown"):
        learning_rate(replace(SETTINGS, schedule="steps"), 0, STEPS)
