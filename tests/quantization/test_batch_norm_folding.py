from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import small_unet
import tf_keras as keras
from tf_keras import layers

from segsweep.quantization.batch_norm_folding import fold_batch_norm, foldable

Block = Callable[[Any], Any]

FOLDED: dict[str, Block] = {
    "conv": lambda x: layers.Conv2D(6, 3, use_bias=False)(x),
    "conv_bias_dilated": lambda x: layers.Conv2D(6, 3, dilation_rate=2, padding="same")(x),
    "conv_groups": lambda x: layers.Conv2D(8, 3, groups=2, use_bias=False)(x),
    "depthwise": lambda x: layers.DepthwiseConv2D(3, depth_multiplier=3, use_bias=False)(x),
    "depthwise_bias": lambda x: layers.DepthwiseConv2D(3, strides=2)(x),
    "transposed": lambda x: layers.Conv2DTranspose(6, 3, strides=2, padding="same", use_bias=False)(x),
    "separable": lambda x: layers.SeparableConv2D(6, 3, depth_multiplier=2)(x),
    "dense": lambda x: layers.Dense(6, use_bias=False)(x),
}


def norm(**settings: bool) -> layers.BatchNormalization:
    return layers.BatchNormalization(epsilon=1e-2, name="norm", **settings)


KEPT: dict[str, Block] = {
    "first": lambda x: norm()(x),
    "after_concatenation": lambda x: norm()(layers.Concatenate()([x, x])),
    "after_relu": lambda x: norm()(layers.Conv2D(4, 1, activation="relu")(x)),
    "used_twice": lambda x: (lambda y: layers.Add()([norm()(y), y]))(layers.Conv2D(4, 1)(x)),
    "other_axis": lambda x: layers.BatchNormalization(axis=1, name="norm")(layers.Conv2D(4, 1)(x)),
}


def randomized(output: Any, inputs: Any) -> keras.Model:
    """A model whose weights, batch-norm statistics included, are all random."""
    model = keras.Model(inputs, output)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        layer.set_weights([rng.uniform(0.2, 2, weight.shape) for weight in layer.get_weights()])
    return model


def assert_same_predictions(model: keras.Model, folded: keras.Model) -> None:
    images = np.random.default_rng(1).normal(size=(2, *model.input_shape[1:])).astype(np.float32)
    expected = model(images, training=False).numpy()
    np.testing.assert_allclose(folded(images, training=False).numpy(), expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("settings", [{}, {"scale": False}, {"center": False}], ids=str)
@pytest.mark.parametrize("kind", FOLDED)
def test_is_folded(kind: str, settings: dict[str, bool]) -> None:
    inputs = keras.Input((8, 8, 4))
    model = randomized(layers.ReLU()(norm(**settings)(FOLDED[kind](inputs))), inputs)
    weights = [weight.copy() for weight in model.get_weights()]
    folded = fold_batch_norm(model)
    assert not any(isinstance(layer, layers.BatchNormalization) for layer in folded.layers)
    assert_same_predictions(model, folded)
    assert all(np.array_equal(before, now) for before, now in zip(weights, model.get_weights(), strict=True))


@pytest.mark.parametrize("kind", KEPT)
def test_is_kept(kind: str) -> None:
    inputs = keras.Input((8, 8, 4))
    model = randomized(KEPT[kind](inputs), inputs)
    assert foldable(model) == {}
    folded = fold_batch_norm(model)
    assert isinstance(folded.get_layer("norm"), layers.BatchNormalization)
    assert_same_predictions(model, folded)


def test_as_the_models_output() -> None:
    inputs = keras.Input((8, 8, 4))
    model = randomized(norm()(layers.Conv2D(3, 1, name="head")(inputs)), inputs)
    assert foldable(model) == {"norm": "head"}
    assert_same_predictions(model, fold_batch_norm(model))


def test_not_where_the_layer_before_is_an_output_too() -> None:
    inputs = keras.Input((8, 8, 4))
    before = layers.Conv2D(3, 1)(inputs)
    assert foldable(keras.Model(inputs, [before, norm()(before)])) == {}


@pytest.mark.parametrize("upsampling", small_unet.UPSAMPLINGS)
def test_whole_network(upsampling: str) -> None:
    model = small_unet.trained(upsampling)
    folded = fold_batch_norm(model)
    kept = [layer.name for layer in model.layers if not isinstance(layer, layers.BatchNormalization)]
    assert [layer.name for layer in folded.layers] == kept
    assert_same_predictions(model, folded)
