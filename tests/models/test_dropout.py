import numpy as np
import pytest
import tf_keras as keras

from segsweep.models.dropout import CountedDropout

ONES = np.ones((4, 8, 8, 50), np.float32)


def layer(rate=0.25, seed=0):
    made = CountedDropout(rate, seed)
    made.build(ONES.shape)
    return made


def test_a_share_is_left_out_and_the_rest_scaled():
    dropped = layer()(ONES, training=True).numpy()
    np.testing.assert_allclose(np.unique(dropped), [0, 1 / 0.75], rtol=1e-6)
    assert np.mean(dropped == 0) == pytest.approx(0.25, abs=0.02)
    assert dropped.mean() == pytest.approx(1, abs=0.03)


def test_outside_training_nothing_happens():
    np.testing.assert_array_equal(layer()(ONES), ONES)


def test_each_step_draws_anew_and_goes_on_from_its_weights():
    first = layer()
    draws = [first(ONES, training=True).numpy() for _ in range(3)]
    assert not np.array_equal(draws[0], draws[1])
    resumed = layer()
    resumed(ONES, training=True)
    again = layer()
    again.set_weights(resumed.get_weights())
    np.testing.assert_array_equal(again(ONES, training=True), draws[1])
    assert not np.array_equal(layer(seed=1)(ONES, training=True), draws[0])


def test_comes_back_from_its_config():
    image = keras.Input((8, 8, 50))
    model = keras.Model(image, CountedDropout(0.25, 3, name="dropout")(image))
    again = keras.models.model_from_json(model.to_json()).get_layer("dropout")
    assert (again.rate, again.seed) == (0.25, 3)
