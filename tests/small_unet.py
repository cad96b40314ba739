"""A small functional U-Net and a problem it can learn in seconds: what the tests of the exported files work on."""

import functools
import os

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import numpy as np
import tf_keras as keras
from tf_keras import layers

from segsweep.quantization.activation_ranges import start_ranges
from segsweep.quantization.four_bits import kept_by_rule, recipe_of
from segsweep.quantization.layers import layers as layers_of
from segsweep.quantization.mixed import quantize_mixed
from segsweep.quantization.post_training import Calibration, calibrate, quantize
from segsweep.quantization.quantization_aware import exportable, quantization_aware
from segsweep.quantization.range_rules import RangeChoice
from segsweep.quantization.training_kinds import TRAINING_KINDS
from segsweep.quantization.variants import VARIANTS
from segsweep.tflite.conversion import convert_float, convert_quantized

UPSAMPLINGS = ("nearest", "bilinear", "transposed")
SHAPE = (32, 32, 4)
CLASSES = 3


def blobs(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 32, 32, 4) float32, noisy mixtures of three smooth fields, and which field is highest (N, 32, 32)."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(size=(count, 4, 4, CLASSES))
    fields = coarse.repeat(8, axis=1).repeat(8, axis=2)
    for axis in (1, 2):
        fields = sum(np.roll(fields, shift, axis) for shift in range(-3, 4)) / 7
    labels = fields.argmax(axis=-1).astype(np.uint8)
    mixing = np.array([[1.0, -0.5, 0.2, 0.3], [-0.4, 1.0, 0.1, -0.6], [0.2, 0.3, -1.0, 0.5]])
    images = fields @ mixing + 0.3 * rng.normal(size=(count, 32, 32, 4))
    return (images / images.std()).astype(np.float32), labels


def build(upsampling: str, classes: int = CLASSES, shape: tuple[int, int, int] = SHAPE, width: int = 8) -> keras.Model:
    """Convolution, batch norm, ReLU: one, two strided ones down, two levels up with skips, a head of logits."""

    def block(x, filters, strides=1):
        x = layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)(x)
        return layers.ReLU()(layers.BatchNormalization()(x))

    def up(x, filters):
        if upsampling == "transposed":
            x = layers.Conv2DTranspose(filters, 2, strides=2, padding="same", use_bias=False)(x)
            return layers.ReLU()(layers.BatchNormalization()(x))
        return layers.UpSampling2D(2, interpolation=upsampling)(x)

    inputs = keras.Input(shape)
    first = block(inputs, width)
    second = block(first, 2 * width, strides=2)
    x = block(second, 4 * width, strides=2)
    x = block(layers.Concatenate()([up(x, 2 * width), second]), 2 * width)
    x = block(layers.Concatenate()([up(x, width), first]), width)
    return keras.Model(inputs, layers.Conv2D(classes, 1)(x))


@functools.cache
def trained(upsampling: str) -> keras.Model:
    """`build`, shortly trained on `blobs`, with batch-norm statistics that make folding matter."""
    keras.utils.set_random_seed(0)
    model = build(upsampling)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights([rng.uniform(0.5, 2, gamma.shape), rng.normal(0, 0.2, beta.shape), mean, variance])
    fit(model, epochs=4, learning_rate=1e-2)
    return model


@functools.cache
def quantization_aware_trained(upsampling: str) -> keras.Model:
    """`trained`, fine-tuned quantization-aware."""
    model = started(quantization_aware(trained(upsampling)))
    fit(model, epochs=2, learning_rate=1e-3)
    return model


def started(aware: keras.Model, rule: str = "min_max", images: np.ndarray | None = None) -> keras.Model:
    """A quantization-aware model with ranges; of the images that `trained` learned from unless others are given."""
    start_ranges(aware, blobs(64, seed=0)[0] if images is None else images, RangeChoice.of(rule), 99.99)
    return aware


def fit(model: keras.Model, epochs: int, learning_rate: float) -> None:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.legacy.Adam(learning_rate), loss)
    model.fit(*blobs(64, seed=0), batch_size=8, epochs=epochs, verbose=0)


@functools.cache
def float_file(upsampling: str) -> bytes:
    """`trained` as a float32 file."""
    return convert_float(trained(upsampling))


@functools.cache
def calibration(upsampling: str) -> Calibration:
    """Of `float_file`, over the images it was trained on."""
    return calibrate(float_file(upsampling), blobs(64, seed=0)[0])


@functools.cache
def variant_file(upsampling: str, name: str) -> bytes:
    """A variant of `trained`, by its name; its weights are neither pruned nor clustered."""
    if VARIANTS[name].selects_recipe:
        found = layers_of(float_file(upsampling))
        recipe = recipe_of(found, kept_by_rule(found)[0], dict.fromkeys((layer.name for layer in found), "octav"))
        return quantize_mixed(float_file(upsampling), recipe, calibration(upsampling))
    if TRAINING_KINDS[VARIANTS[name].training_kind].rounds is not None:
        return convert_quantized(exportable(quantization_aware_trained(upsampling), trained(upsampling)))
    return quantize(float_file(upsampling), VARIANTS[name], calibration(upsampling))
