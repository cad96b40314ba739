"""Every model x every variant: the file is what its name says, and computes what the model computes.

Small images and narrow decoders: what is converted is the graph. `make test` takes an encoder of each family,
`make test-all` all of them.
"""

from collections.abc import Iterator

import numpy as np
import pytest
import tf_keras as keras

from segsweep.config.model_schema import (
    BackboneUnetConfig,
    ClassifierConfig,
    ConvNetConfig,
    Deeplabv3Config,
    PixelMlpConfig,
    UnetConfig,
)
from segsweep.config.schema import ModelConfig, StridedUnetConfig
from segsweep.models.encoders import ENCODERS
from segsweep.models.table import ARCHITECTURES, build_model
from segsweep.quantization.activation_ranges import start_ranges
from segsweep.quantization.four_bits import can_be_four_bits, kept_by_rule
from segsweep.quantization.layers import layers
from segsweep.quantization.mixed import quantize_mixed
from segsweep.quantization.post_training import calibrate, quantize
from segsweep.quantization.quantization_aware import exportable, quantization_aware, unsupported_layers
from segsweep.quantization.range_rules import RangeChoice
from segsweep.quantization.recipe import LayerChoice, Recipe
from segsweep.quantization.variants import VARIANTS, check
from segsweep.tflite.census import census
from segsweep.tflite.conversion import convert_float, convert_quantized
from segsweep.tflite.interpreter import TFLiteModel

SHAPE = (32, 32, 3)
CLASSES = 3
IMAGES = np.random.default_rng(0).normal(size=(8, *SHAPE)).astype(np.float32)
SEEDS = {("deeplabv3", "efficientnet_v2_b3"): 3}
"""Where with seed 0 the few channels of the narrow decoder are all dead from the start, and logits always the same."""
POST_TRAINING = [name for name, variant in VARIANTS.items() if variant.training_kind == "float"]
AGREEMENT = {
    **{"float32": 1, "float16": 0.99, "dynamic_range": 0.9, "weight_only_int8": 0.9, "int8": 0.85, "int16x8": 0.9},
    "int4": 0.5,
}
"""The least share of pixels with the float model's class, of those whose class an int8 step does not decide."""


def alpha(encoder: str) -> float:
    return 0.35 if ENCODERS[encoder].has_alpha else 1.0


def grid() -> Iterator[object]:
    """The models, those beyond one encoder a family marked."""
    yield pytest.param(StridedUnetConfig(width=4, depth=2), id="strided_unet")
    for upsampling in ("transposed", "bilinear"):
        yield pytest.param(UnetConfig(width=4, depth=2, upsampling=upsampling), id=f"unet-{upsampling}")
    yield pytest.param(UnetConfig(width=4, depth=2, separable=True, residual=True), id="unet-separable-residual")
    yield pytest.param(UnetConfig(width=4, depth=2, batch_norm=False), id="unet-without-batch-norm")
    yield pytest.param(ConvNetConfig(width=4, depth=2), id="conv_net")
    yield pytest.param(PixelMlpConfig(width=8, depth=2), id="pixel_mlp")
    yield pytest.param(PixelMlpConfig(depth=0), id="pixel_mlp-linear")
    for name in ENCODERS:
        config: ModelConfig = ClassifierConfig(encoder=name, alpha=alpha(name), width=8, dropout=0.1)
        marks = [] if name == "mobilenet_v2" else [pytest.mark.exhaustive]
        yield pytest.param(config, id=f"classifier-{name}", marks=marks)
    in_test = {"vgg16", "resnet50", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0", "efficientnet_v2_b0"}
    pyramids_in_test = {"mobilenet_v2"}
    for name in ENCODERS:
        config = BackboneUnetConfig(encoder=name, alpha=alpha(name), width=2)
        yield pytest.param(
            config, id=f"backbone_unet-{name}", marks=[] if name in in_test else [pytest.mark.exhaustive]
        )
    for name in ENCODERS:
        config = Deeplabv3Config(encoder=name, alpha=alpha(name), width=4)
        marks = [] if name in pyramids_in_test else [pytest.mark.exhaustive]
        yield pytest.param(config, id=f"deeplabv3-{name}", marks=marks)
    for config in (
        BackboneUnetConfig(encoder="mobilenet_v2", alpha=0.35, width=2, separable=True, residual=True),
        Deeplabv3Config(encoder="mobilenet_v2", alpha=0.35, width=4, separable=True, output_stride=8),
    ):
        yield pytest.param(config, id=f"{config.name}-separable", marks=[pytest.mark.exhaustive])


GRID = list(grid())


@pytest.fixture(scope="module", params=GRID)
def model(request: pytest.FixtureRequest) -> keras.Model:
    """Each model in turn, for both tests before the next."""
    config = request.param
    built = build_model(config, SHAPE, CLASSES, seed=SEEDS.get((config.name, getattr(config, "encoder", "")), 0))
    for _ in range(10):  # so that the batch norms have statistics
        built(IMAGES, training=True)
    return built


def test_the_grid_has_every_model_and_encoder() -> None:
    configs = [each.values[0] for each in GRID]
    assert {config.name for config in configs} == ARCHITECTURES.keys()
    for name in ("backbone_unet", "deeplabv3", "classifier"):
        assert {config.encoder for config in configs if config.name == name} == ENCODERS.keys()


def four_bit_recipe(float_file: bytes) -> Recipe:
    """4 bits wherever a layer can have them, but for the first and the last."""
    found = layers(float_file)
    kept, _ = kept_by_rule(found)
    eight = [each.name for each in found if each.name in kept or not can_be_four_bits(each)]
    return Recipe({name: LayerChoice("int8") for name in eight}, LayerChoice("int4"))


@pytest.mark.slow
def test_every_variant_is_what_its_name_says(model: keras.Model) -> None:
    # One test for all variants: they come from one conversion.
    logits = model.predict(IMAGES, verbose=0)
    # Where all features of a narrow, untrained decoder are 0, the classes lie closer together than an int8 step.
    second, first = np.sort(logits, axis=-1)[..., -2:].transpose(3, 0, 1, 2)
    decided = first - second > np.ptp(logits) / 255
    assert decided.mean() > 0.05
    float_file = convert_float(model)
    np.testing.assert_allclose(TFLiteModel(float_file).logits(IMAGES), logits, atol=1e-4 * np.abs(logits).max())
    calibration = calibrate(float_file, IMAGES)
    for name in POST_TRAINING:
        if VARIANTS[name].selects_recipe:
            file = quantize_mixed(float_file, four_bit_recipe(float_file), calibration)
        else:
            file = quantize(float_file, VARIANTS[name], calibration)
        check(VARIANTS[name], census(file))
        agreement = np.mean((TFLiteModel(file).predict(IMAGES) == logits.argmax(-1))[decided])
        assert agreement >= AGREEMENT[name], name


@pytest.mark.slow
def test_quantization_aware_training_rounds_as_the_file_does(model: keras.Model) -> None:
    assert unsupported_layers(model) == []
    aware = quantization_aware(model)
    start_ranges(aware, IMAGES, RangeChoice.of("min_max"), 99.99)
    expected = aware.predict(IMAGES, verbose=0)
    file = convert_quantized(exportable(aware, model))
    check(VARIANTS["qat_int8"], census(file))
    step = (expected.max() - expected.min()) / 255
    assert step > 0
    logits = TFLiteModel(file).logits(IMAGES)
    if model.output_shape[1:3] == (1, 1):
        # The batch norm of the hidden layer blows up what little untrained features differ in, and its rounding.
        assert np.corrcoef(logits.ravel(), expected.ravel())[0, 1] > 0.98
    else:
        # The rounding of integer kernels adds up over layers: 2.8 steps in EfficientNetB1, the most of all.
        assert np.abs(logits - expected).mean() < 3.5 * step
