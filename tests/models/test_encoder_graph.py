"""The rebuilt encoders against Keras's own models: the same weights must give the same features."""

import numpy as np
import pytest
import tf_keras as keras
from tf_keras import layers

from segsweep.config.model_schema import BackboneUnetConfig, Deeplabv3Config
from segsweep.data.dataset import ArraySplit, Dataset, Normalization
from segsweep.errors import ConfigError
from segsweep.models.encoder_graph import encode
from segsweep.models.encoders import ENCODERS
from segsweep.models.input_scaling import for_model
from segsweep.models.pretrained import start
from segsweep.models.table import build_model

SIZE = 64
FAMILIES = {
    "vgg16": ("vgg16", "block5_conv3"),
    "resnet50": ("resnet50", "conv5_block3_out"),
    "mobilenet_v2": ("mobilenet_v2", "block_16_project_BN"),
    "mobilenet_v3_small": ("mobilenet_v3", "expanded_conv_10/Add"),
    "efficientnet_b0": ("efficientnet", "block7a_project_bn"),
    "efficientnet_v2_b0": ("efficientnet_v2", "block6h_add"),
}
"""One encoder a family: the module of its `preprocess_input`, and the layer that gives its last features."""


def photos(count: int = 2) -> np.ndarray:
    """Smooth random images, uint8, red, green, blue, of unequal bands."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, [256, 180, 120], (count, 8, 8, 3))
    return coarse.repeat(SIZE // 8, axis=1).repeat(SIZE // 8, axis=2).astype(np.uint8)


def dataset(images: np.ndarray, rgb: tuple[int, int, int] = (0, 1, 2)) -> Dataset:
    split = ArraySplit(images, np.zeros(images.shape[:3], np.uint8))
    bands = images.shape[-1]
    own = Normalization(np.full(bands, 7, np.float32), np.full(bands, 3, np.float32))
    names = tuple(f"band_{number}" for number in range(bands))
    return Dataset("photos", ("a", "b"), ((0, 0, 0), (9, 9, 9)), names, rgb, split, split, split, own)


def randomized(model: keras.Model) -> keras.Model:
    """With statistics in the batch norms, so that it matters that they arrive."""
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights(
                [
                    rng.uniform(0.5, 1.5, gamma.shape),
                    rng.normal(0, 0.3, beta.shape),
                    mean + rng.normal(0, 0.1, mean.shape),
                    variance * rng.uniform(0.5, 1.5, variance.shape),
                ]
            )
        if isinstance(layer, layers.Normalization) and layer.weights:
            # In Keras's own files: deviations in the place of variances; a factor in the graph corrects that, which
            # the model has only with those files. So here: the variances.
            layer.set_weights([np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]) ** 2, np.array(0)])
            layer.finalize_state()
    return model


def published(name: str) -> keras.Model:
    """Keras's own model, with its own preprocessing in it where it has one."""
    keras.utils.set_random_seed(2)
    build = getattr(keras.applications, ENCODERS[name].application)
    return randomized(build(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3)))


def expected(model: keras.Model, name: str, images: np.ndarray) -> np.ndarray:
    module, last = FAMILIES[name]
    preprocess = getattr(keras.applications, module).preprocess_input
    features = keras.Model(model.input, model.get_layer(last).output)
    return features.predict(preprocess(images.astype(np.float32)), verbose=0)


def last_features(config: BackboneUnetConfig, data: Dataset) -> np.ndarray:
    """What the encoder of a started model makes of the training images."""
    _, last = FAMILIES[config.encoder]
    keras.utils.set_random_seed(3)
    channels = data.train.image_shape[2]
    model = build_model(config, (SIZE, SIZE, channels), 2, seed=3)
    start(model, config, data.rgb)
    name = last if last in {layer.name for layer in model.layers} else f"{last}_activation"
    if ENCODERS[config.encoder].application == "VGG16":
        name = f"{last}_activation"
    images, _ = data.train.read(np.arange(len(data.train)))
    features = keras.Model(model.input, model.get_layer(name).output)
    return features.predict(for_model(data, config).normalization.apply(images), verbose=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_features_of_pretrained_weights_are_those_of_keras(name, tmp_path):
    original, images = published(name), photos()
    original.save_weights(tmp_path / "weights.h5")
    config = BackboneUnetConfig(encoder=name, width=1, weights=str(tmp_path / "weights.h5"))
    wanted = expected(original, name, images)
    assert wanted.std() > 0
    tolerance = 1e-4 * np.abs(wanted).max()
    np.testing.assert_allclose(last_features(config, dataset(images)), wanted, atol=tolerance)
    # The same photos with their bands in another order.
    shuffled = dataset(np.ascontiguousarray(images[..., [2, 0, 1]]), rgb=(1, 2, 0))
    np.testing.assert_allclose(last_features(config, shuffled), wanted, atol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vgg16", "resnet50", "mobilenet_v2"])
@pytest.mark.parametrize("output_stride", [8, 16])
def test_dilated_features_hold_the_original_ones(name, output_stride):
    """At every second or fourth pixel: dilation computes between them, and changes none of them."""
    image = keras.Input((2 * SIZE, SIZE, 3))
    keras.utils.set_random_seed(0)
    plain = keras.Model(image, encode(ENCODERS[name], 1.0, image)[-1].tensor)
    dilated = keras.Model(image, encode(ENCODERS[name], 1.0, image, output_stride)[-1].tensor)
    weights = {layer.name: layer.get_weights() for layer in randomized(plain).layers}
    for layer in dilated.layers:
        layer.set_weights(weights.get(layer.name, []))
    images = np.random.default_rng(0).normal(size=(1, 2 * SIZE, SIZE, 3)).astype(np.float32)
    coarse, fine = plain.predict(images, verbose=0), dilated.predict(images, verbose=0)
    assert fine.shape[1:3] == (2 * SIZE // output_stride, SIZE // output_stride)
    step = fine.shape[1] // coarse.shape[1]
    assert step == ENCODERS[name].stride // output_stride
    np.testing.assert_allclose(fine[:, ::step, ::step], coarse, atol=1e-4 * np.abs(coarse).max())


def test_a_file_of_another_encoder_is_refused(tmp_path):
    path = tmp_path / "weights.h5"
    keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3), alpha=0.35).save_weights(
        path
    )
    config = BackboneUnetConfig(encoder="mobilenet_v2", alpha=0.4, width=1, weights=str(path))
    model = build_model(config, (32, 32, 3), 2, seed=0)
    with pytest.raises(ConfigError, match=r"weights\.h5 holds no weights of MobileNetV2 .*and alpha 0\.4 .*block_"):
        start(model, config, (0, 1, 2))


def test_nothing_random_is_left_inside():
    """Dropout would carry a state that no checkpoint holds."""
    model = build_model(Deeplabv3Config(encoder="efficientnet_b0", width=1), (32, 32, 3), 2, seed=0)
    assert not [layer.name for layer in model.layers if isinstance(layer, layers.Dropout)]
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    np.testing.assert_array_equal(model(images, training=True), model(images, training=True))


def test_layers_are_named_alike_however_many_models_there_were():
    config = BackboneUnetConfig(encoder="mobilenet_v3_small", alpha=0.35, width=1)
    first, again = (build_model(config, (32, 32, 3), 2, seed=0) for _ in range(2))
    assert [layer.name for layer in first.layers] == [layer.name for layer in again.layers]
