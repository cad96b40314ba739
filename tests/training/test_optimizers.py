import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from segsweep.config.training_schema import TrainingConfig
from segsweep.errors import ConfigError
from segsweep.training.optimizers import OPTIMIZERS, build_optimizer, state_variables

CLASSES = {"adam": "Adam", "adamw": "AdamW", "nadam": "Nadam", "rmsprop": "RMSprop", "sgd": "SGD"}
START = (np.array([1.0, -2.0, 3.0], np.float32), np.array([[0.5]], np.float32))


def trained(optimizer, steps: int, traced: bool, gradient_of=lambda variable: 2 * variable) -> list[np.ndarray]:
    """Two variables after some steps down a gradient."""
    variables = [tf.Variable(start) for start in START]
    optimizer.build(variables)

    def step():
        optimizer.apply_gradients([(gradient_of(variable), variable) for variable in variables])

    run = tf.function(step) if traced else step
    for _ in range(steps):
        run()
    return [variable.numpy() for variable in variables]


def test_every_optimizer_is_tested():
    assert CLASSES.keys() == OPTIMIZERS.keys()


@pytest.mark.parametrize("name", CLASSES)
def test_a_traced_step_equals_an_eager_one_of_keras(name):
    settings = TrainingConfig(optimizer=name, learning_rate=0.05, weight_decay=0.01)
    momentum = {"momentum": 0.9, "nesterov": True} if name == "sgd" else {}
    oracle = getattr(keras.optimizers, CLASSES[name])(learning_rate=0.05, weight_decay=0.01, **momentum)
    found, expected = trained(build_optimizer(settings), 6, True), trained(oracle, 6, False)
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5)


@pytest.mark.parametrize("name", CLASSES)
def test_weight_decay_is_decoupled_from_the_gradient(name):
    settings = TrainingConfig(optimizer=name, learning_rate=0.1, weight_decay=0.5)
    found = trained(build_optimizer(settings), 1, True, tf.zeros_like)
    np.testing.assert_allclose(found[0], START[0] * (1 - 0.1 * 0.5), rtol=1e-6)


@pytest.mark.parametrize("name", CLASSES)
def test_without_weight_decay_a_zero_gradient_changes_nothing(name):
    found = trained(build_optimizer(TrainingConfig(optimizer=name)), 2, True, tf.zeros_like)
    np.testing.assert_array_equal(found[0], START[0])


def test_momentum_of_sgd():
    """Nesterov, velocity v = m v - lr g, step m v - lr g, on a constant gradient 1."""
    settings = TrainingConfig(optimizer="sgd", learning_rate=0.1, momentum=0.5)
    found = trained(build_optimizer(settings), 2, True, tf.ones_like)
    np.testing.assert_allclose(found[1], [[0.5 - (0.1 + 0.05) - (0.1 + 0.075)]], rtol=1e-5)


def test_gradients_are_clipped_to_their_global_norm():
    settings = TrainingConfig(optimizer="sgd", learning_rate=1.0, momentum=0.0, gradient_clip_norm=0.5)
    found = trained(build_optimizer(settings), 1, True, lambda variable: 10 * variable)
    moved = np.concatenate([(start - now).ravel() for start, now in zip(START, found, strict=True)])
    start = np.concatenate([start.ravel() for start in START])
    np.testing.assert_allclose(moved, 0.5 * start / np.linalg.norm(start), rtol=1e-5)


@pytest.mark.parametrize("name", CLASSES)
def test_state_variables_hold_all_state(name):
    """Steps after the variables were set back repeat themselves."""
    optimizer = build_optimizer(TrainingConfig(optimizer=name, learning_rate=0.05))
    variable = tf.Variable(START[0])
    optimizer.build([variable])

    def steps() -> np.ndarray:
        for _ in range(3):
            optimizer.apply_gradients([(2 * variable, variable)])
        return variable.numpy()

    steps()
    saved = [v.numpy() for v in (variable, *state_variables(optimizer))]
    first = steps()
    for target, value in zip((variable, *state_variables(optimizer)), saved, strict=True):
        target.assign(value)
    np.testing.assert_array_equal(steps(), first)


def test_unknown_name():
    with pytest.raises(ConfigError, match=r"training\.optimizer=lion is unknown; there are adam, adamw, nadam"):
        build_optimizer(TrainingConfig(optimizer="lion"))
