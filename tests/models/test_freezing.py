import numpy as np
import pytest
import tf_keras as keras

from segsweep.config.model_schema import BackboneUnetConfig, UnetConfig
from segsweep.errors import ConfigError
from segsweep.models.encoders import ENCODERS, frozen_blocks
from segsweep.models.freezing import encoder_blocks, freeze
from segsweep.models.pretrained import first_kernel
from segsweep.models.table import build_model
from segsweep.quantization.batch_norm_folding import fold_batch_norm

CONFIG = BackboneUnetConfig(encoder="mobilenet_v2", alpha=0.35, width=2)
IMAGES = np.random.default_rng(0).normal(3, 2, size=(2, 32, 32, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return build_model(CONFIG, (32, 32, 3), 2, seed=0)


def trainable(model: keras.Model) -> set[str]:
    return {layer.name for layer in model.layers if layer.trainable_weights}


def test_blocks_from_the_input_on_are_frozen(model):
    freeze(model, CONFIG, "none")
    everything = trainable(model)
    freeze(model, CONFIG, "3")
    frozen = everything - trainable(model)
    starts = ("Conv1", "bn_Conv1", "expanded_conv_", "block_1_")
    assert frozen == {name for name in everything if name.startswith(starts)}
    freeze(model, CONFIG, "all")
    assert all(name.startswith(("dec", "logits")) for name in trainable(model))
    freeze(model, CONFIG, "none")
    assert trainable(model) == everything


def test_weights_keep_their_order(model):
    """They are stored by it."""
    freeze(model, CONFIG, "none")
    names = [weight.name for weight in model.weights]
    for frozen in ("all", "5"):
        freeze(model, CONFIG, frozen)
        assert [weight.name for weight in model.weights] == names


def test_frozen_batch_norms_keep_their_statistics(model):
    freeze(model, CONFIG, "1")
    first, later = model.get_layer("bn_Conv1"), model.get_layer("block_1_expand_BN")
    before = [layer.moving_variance.numpy() for layer in (first, later)]
    model(IMAGES, training=True)
    np.testing.assert_array_equal(first.moving_variance.numpy(), before[0])
    assert np.abs(later.moving_variance.numpy() - before[1]).max() > 1e-3


def test_a_fine_tune_trains_all(model):
    freeze(model, CONFIG, "all")
    folded = fold_batch_norm(model)
    assert {layer.name for layer in folded.layers if layer.weights} == trainable(folded)


def test_models_without_encoder_have_nothing_to_freeze():
    config = UnetConfig(width=2, depth=1)
    model = build_model(config, (8, 8, 3), 2, seed=0)
    freeze(model, config, "all")
    assert encoder_blocks(model, config) == []
    assert trainable(model)


def test_words_and_numbers():
    assert [frozen_blocks(CONFIG, word) for word in ("none", "all", "0", "7")] == [
        0,
        ENCODERS["mobilenet_v2"].blocks,
        0,
        7,
    ]
    with pytest.raises(ConfigError, match=r"model\.frozen=-1 is not a choice"):
        frozen_blocks(CONFIG, "-1")


def test_first_kernel_by_hand():
    kernel = np.array([1.0, 20.0, 300.0]).reshape(1, 1, 3, 1)  # red, green, blue
    assert first_kernel(kernel, 3, (0, 1, 2), bgr=False).ravel().tolist() == [1, 20, 300]
    assert first_kernel(kernel[:, :, ::-1], 3, (0, 1, 2), bgr=True).ravel().tolist() == [1, 20, 300]
    # Bands blue, red, green: red is band 1, green 2, blue 0.
    assert first_kernel(kernel, 3, (1, 2, 0), bgr=False).ravel().tolist() == [300, 1, 20]
    # A grey image gives what its three equal colours gave.
    assert first_kernel(kernel, 1, (0, 0, 0), bgr=False).ravel().tolist() == [321]
    four = first_kernel(kernel, 4, (2, 1, 0), bgr=False).ravel()
    np.testing.assert_allclose(four, np.array([1, 20, 300, 1]) * 3 / 4)
