import dataclasses

import numpy as np
import pytest
import small_unet
import tf_keras as keras
from tf_keras import layers

from segsweep.config.model_schema import (
    BackboneUnetConfig,
    ClassifierConfig,
    ConvNetConfig,
    Deeplabv3Config,
    PixelMlpConfig,
    UnetConfig,
)
from segsweep.config.schema import ClusteringConfig, ModelConfig, PruningConfig, QuantizationConfig
from segsweep.errors import VariantError
from segsweep.models.table import build_model
from segsweep.quantization.batch_norm_folding import fold_batch_norm
from segsweep.quantization.mixed import quantize_mixed
from segsweep.quantization.post_training import calibrate, quantize
from segsweep.quantization.quantization_aware import quantization_aware
from segsweep.quantization.recipe import LayerChoice, Recipe
from segsweep.quantization.training_kinds import BY_TENSOR
from segsweep.quantization.variants import VARIANTS, check
from segsweep.quantization.weight_structure import (
    LayerWeights,
    check_structure,
    most_distinct,
    sparsity,
    weight_structure,
)
from segsweep.tflite.census import census
from segsweep.tflite.conversion import convert_float, convert_quantized
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.training.kept_weights import clustering, kept_variables

IMAGES, LABELS = small_unet.blobs(32, seed=1)
SETTINGS = QuantizationConfig(pruning=PruningConfig(0.5), clustering=ClusteringConfig(16))


def with_zeros(share: float) -> keras.Model:
    """A trained network, the smallest weights of whose kernels are 0."""
    model = fold_batch_norm(small_unet.trained("transposed"))
    for variable in kept_variables(model):
        kernel = variable.numpy()
        smallest = np.argsort(np.abs(kernel), axis=None)[: round(share * kernel.size)]
        kernel.flat[smallest] = 0
        variable.assign(kernel)
    return model


@pytest.fixture(scope="module")
def pruned() -> keras.Model:
    return with_zeros(0.5)


@pytest.fixture(scope="module")
def clustered() -> keras.Model:
    model = fold_batch_norm(small_unet.trained("transposed"))
    clustering(model, clusters=16)
    return model


def int8(model: keras.Model, name: str) -> bytes:
    float_file = convert_float(model)
    return quantize(float_file, VARIANTS[name], calibrate(float_file, IMAGES))


def aware(model: keras.Model, *settings: str) -> keras.Model:
    """It, quantization-aware, with ranges."""
    return small_unet.started(quantization_aware(model, *settings), images=IMAGES)


def counts(model: keras.Model) -> list[tuple[int, int, int]]:
    """Weights, zeros and distinct ones of each kernel, in the order of the layers."""
    kernels = [variable.numpy() for variable in kept_variables(model)]
    return [(kernel.size, int(np.sum(kernel == 0)), len(set(kernel.ravel().tolist()))) for kernel in kernels]


class TestMeasured:
    @pytest.mark.parametrize("share", [0.3, 0.9])
    def test_of_a_float_file_they_are_those_of_the_model(self, share: float) -> None:
        model = with_zeros(share)
        found = weight_structure(convert_float(model))
        assert [(each.count, each.zeros, each.distinct) for each in found] == counts(model)
        assert sparsity(found) == pytest.approx(share, abs=1e-3)
        assert [each.operator for each in found].count("TRANSPOSE_CONV") == 2

    def test_through_a_dequantize(self, pruned: keras.Model) -> None:
        found = weight_structure(quantize(convert_float(pruned), VARIANTS["float16"], None))
        kernels = [variable.numpy().astype(np.float16) for variable in kept_variables(pruned)]
        assert [each.distinct for each in found] == [len(np.unique(kernel)) for kernel in kernels]

    def test_int8_keeps_zeros_and_may_add_some(self, pruned: keras.Model) -> None:
        found = weight_structure(int8(pruned, "pruned_int8"))
        assert all(each.zeros >= zeros for each, (_, zeros, _) in zip(found, counts(pruned), strict=True))
        assert 127 < most_distinct(found) <= 255

    def test_four_bits_lie_two_in_a_byte(self) -> None:
        file = quantize_mixed(small_unet.float_file("nearest"), Recipe(default=LayerChoice("weight_only_int4")), None)
        found = weight_structure(file)
        assert [each.count for each in found] == [op.weight_count for op in census(file).compute]
        # Symmetric: -7 to 7, and the largest of each channel is at an end.
        assert most_distinct(found) == 15
        (kernel, *_) = (variable.numpy() for variable in kept_variables(fold_batch_norm(small_unet.trained("nearest"))))
        steps = np.round(kernel / (np.abs(kernel).max(axis=(0, 1, 2)) / 7))
        assert found[0].zeros == np.sum(steps == 0)

    def test_depthwise_weights_do_not_count_as_distinct(self) -> None:
        inputs = keras.Input((8, 8, 16))
        x = layers.DepthwiseConv2D(3, name="depthwise")(inputs)
        model = keras.Model(inputs, layers.Conv2D(2, 1, name="point")(x))
        clustering(model, clusters=4)
        found = weight_structure(convert_float(model))
        assert [(each.operator, each.is_kept) for each in found] == [("DEPTHWISE_CONV_2D", False), ("CONV_2D", True)]
        assert found[0].distinct == 144
        assert most_distinct(found) == 4
        check_structure(VARIANTS["clustered_float32"], found, QuantizationConfig(clustering=ClusteringConfig(4)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    [
        pytest.param(UnetConfig(width=4, depth=2, separable=True, residual=True), id="unet-separable-residual"),
        pytest.param(ConvNetConfig(width=4, depth=2), id="conv_net"),
        pytest.param(PixelMlpConfig(width=8, depth=2), id="pixel_mlp"),
        pytest.param(ClassifierConfig(encoder="mobilenet_v2", alpha=0.35, width=8), id="classifier-mobilenet_v2"),
        pytest.param(
            Deeplabv3Config(encoder="mobilenet_v2", alpha=0.35, width=4),
            id="deeplabv3-mobilenet_v2",
            marks=pytest.mark.exhaustive,
        ),
        *(
            pytest.param(
                BackboneUnetConfig(encoder=name, width=2), id=f"backbone_unet-{name}", marks=pytest.mark.exhaustive
            )
            for name in ("vgg16", "resnet50", "mobilenet_v3_small", "efficientnet_b0")
        ),
    ],
)
def test_the_converter_leaves_weights_of_all_kinds_of_layers_as_they_are(config: ModelConfig) -> None:
    images = np.random.default_rng(0).normal(size=(4, 32, 32, 3)).astype(np.float32)
    built = build_model(config, images.shape[1:], 3, seed=0)
    for _ in range(5):  # so that the batch norms have statistics
        built(images, training=True)
    model = fold_batch_norm(built)
    clustering(model, clusters=16)
    for variable in kept_variables(model):
        kernel = variable.numpy()
        variable.assign(np.where(np.abs(kernel) <= np.median(np.abs(kernel)), 0, kernel))
    float_file = convert_float(model)
    calibration = calibrate(float_file, images)
    files = {
        "pruned_float32": float_file,
        "clustered_float32": float_file,
        "pruned_int8": quantize(float_file, VARIANTS["pruned_int8"], calibration),
        "clustered_int8": quantize(float_file, VARIANTS["clustered_int8"], calibration),
    }
    for name, file in files.items():
        check(VARIANTS[name], census(file))
        check_structure(VARIANTS[name], weight_structure(file), SETTINGS)


class TestFilesAreWhatTheirNameSays:
    @pytest.mark.parametrize("name", ["pruned_float32", "pruned_int8", "pqat_int8"])
    def test_pruned(self, pruned: keras.Model, name: str) -> None:
        made = {
            "pruned_float32": convert_float,
            "pruned_int8": lambda model: int8(model, name),
            "pqat_int8": lambda model: convert_quantized(aware(model)),
        }
        file = made[name](pruned)
        check(VARIANTS[name], census(file))
        check_structure(VARIANTS[name], weight_structure(file), SETTINGS)
        more = dataclasses.replace(SETTINGS, pruning=PruningConfig(0.55))
        with pytest.raises(VariantError, match=rf"not {name}: 5\d\.\d% of the weights of .* for a sparsity of 0.55 \("):
            check_structure(VARIANTS[name], weight_structure(file), more)

    @pytest.mark.parametrize("name", ["clustered_float32", "clustered_int8", "cqat_int8"])
    def test_clustered(self, clustered: keras.Model, name: str) -> None:
        """Integers as well: all weights of a layer share a scale, so that equal ones stay equal."""
        made = {
            "clustered_float32": convert_float,
            "clustered_int8": lambda model: int8(model, name),
            "cqat_int8": lambda model: convert_quantized(aware(model, BY_TENSOR)),
        }
        file = made[name](clustered)
        check(VARIANTS[name], census(file))
        check_structure(VARIANTS[name], weight_structure(file), SETTINGS)
        fewer = dataclasses.replace(SETTINGS, clustering=ClusteringConfig(15))
        with pytest.raises(VariantError, match=rf"not {name}: .* has 16 distinct weights, for 15 clusters \(8 of 8"):
            check_structure(VARIANTS[name], weight_structure(file), fewer)

    def test_a_scale_for_each_channel_would_part_the_clusters(self, clustered: keras.Model) -> None:
        with pytest.raises(VariantError, match="distinct weights"):
            check_structure(VARIANTS["clustered_int8"], weight_structure(int8(clustered, "int8")), SETTINGS)

    def test_integers_with_one_scale_a_layer_compute_what_the_training_did(self, clustered: keras.Model) -> None:
        model = aware(clustered, BY_TENSOR)
        expected = model.predict(IMAGES, verbose=0)
        logits = TFLiteModel(convert_quantized(model)).logits(IMAGES)
        assert np.abs(logits - expected).mean() < np.ptp(expected) / 255 / 2
        assert np.mean(logits.argmax(-1) == expected.argmax(-1)) > 0.995

    def test_clustered_int8_scores_as_its_float_file_does(self, clustered: keras.Model) -> None:
        accuracy = [
            np.mean(TFLiteModel(file).predict(IMAGES) == LABELS)
            for file in (convert_float(clustered), int8(clustered, "clustered_int8"))
        ]
        assert abs(accuracy[0] - accuracy[1]) < 0.02

    def test_of_whole_weights_one_more_may_be_left(self) -> None:
        def layer(zeros: int) -> tuple[LayerWeights, ...]:
            return (LayerWeights("CONV_2D", "out", 9, zeros, 9 - zeros),)

        check_structure(VARIANTS["pruned_float32"], layer(4), SETTINGS)
        with pytest.raises(VariantError, match=r"33.3% of the weights of out are 0.*1 of 1 layers"):
            check_structure(VARIANTS["pruned_float32"], layer(3), SETTINGS)

    def test_a_model_without_such_weights_is_refused(self) -> None:
        depthwise = LayerWeights("DEPTHWISE_CONV_2D", "out", 9, 9, 1)
        with pytest.raises(VariantError, match="no weights that could be"):
            check_structure(VARIANTS["pruned_float32"], (depthwise,), SETTINGS)

    def test_other_variants_are_not_held_to_anything(self) -> None:
        check_structure(VARIANTS["int8"], (LayerWeights("CONV_2D", "out", 9, 0, 9),), SETTINGS)
