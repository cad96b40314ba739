"""Mixed precision and XLA, as far as they work without a GPU."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from tiny_training import LOSS, MODEL, SIZE, TRAINING, dataset

from segsweep.errors import ConfigError
from segsweep.models.table import build_model
from segsweep.training.precision import building, require_gpu
from segsweep.training.steps import TrainStep
from segsweep.training.trainer import fit

LONGER = replace(TRAINING, epochs=8, learning_rate=0.03)


class Interruption(Exception):
    pass


def model_of(mixed: bool = False) -> keras.Model:
    with building(mixed):
        return build_model(MODEL, (*SIZE, 3), 2, seed=5)


def train(settings, **kwargs):
    model = model_of(settings.mixed_precision)
    return model, fit(model, dataset(), training=settings, loss=LOSS, size=SIZE, seed=5, **kwargs)


def test_a_mixed_model_computes_in_float16_and_keeps_float32():
    model = model_of(mixed=True)
    assert model.get_layer("enc0_conv").compute_dtype == "float16"
    assert {variable.dtype.name for variable in model.weights} == {"float32"}
    assert keras.mixed_precision.global_policy().name == "float32"
    with pytest.raises(KeyError), building(True):
        raise KeyError
    assert keras.mixed_precision.global_policy().name == "float32"


def test_mixed_precision_learns_as_float32_does():
    model, result = train(replace(LONGER, mixed_precision=True))
    _, plain = train(LONGER)
    assert result.history[-1].metrics["train/loss"] == pytest.approx(plain.history[-1].metrics["train/loss"], abs=0.05)
    assert result.history[-1].metrics["train/loss"] < 0.9 * result.history[0].metrics["train/loss"]
    # The weights fit the model in float32, which gives the same logits but for rounding.
    exported = model_of()
    exported.set_weights(model.get_weights())
    images = dataset().validation.images[:, :14].repeat(2, axis=1)[:, :16]
    np.testing.assert_allclose(exported(images), model(images), atol=0.03)


@pytest.mark.parametrize("changes", [{"mixed_precision": True}, {"xla": True}])
def test_resumes_exactly(tmp_path, changes):
    settings = replace(TRAINING, **changes)
    expected_model, expected = train(settings)

    def interrupt(report):
        if report.epoch == 2:
            raise Interruption

    path = tmp_path / "state.npz"
    with pytest.raises(Interruption):
        train(settings, checkpoint=path, training_key="key", on_epoch=interrupt)
    model, result = train(settings, checkpoint=path, training_key="key")
    assert [report.metrics for report in result.history] == [report.metrics for report in expected.history]
    for one, other in zip(model.get_weights(), expected_model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_compiled_steps_are_those_of_the_graph():
    one, other = (train(replace(TRAINING, epochs=2, xla=xla))[1].history for xla in (False, True))
    for plain, compiled in zip(one, other, strict=True):
        for name, value in plain.metrics.items():
            assert compiled.metrics[name] == pytest.approx(value, rel=2e-3, abs=2e-3)


def test_what_xla_cannot_compile_is_named():
    def loss(logits, labels):
        text = tf.strings.as_string(logits[0, 0, 0, 0])
        return tf.reduce_sum(logits) + tf.cast(tf.strings.length(text), tf.float32)

    step = TrainStep(model_of(), keras.optimizers.SGD(jit_compile=False), loss, xla=True)
    images = dataset().validation.images[:, :14].repeat(2, axis=1)[:, :16]
    with pytest.raises(ConfigError, match=r"training\.xla=true: XLA cannot compile AsString of model=strided_unet"):
        step(images, np.zeros((5, 16, 16), np.uint8), 0.1)


def test_without_a_gpu_mixed_precision_is_refused():
    with pytest.raises(ConfigError, match=r"training\.mixed_precision=true needs an NVIDIA GPU"):
        require_gpu()
