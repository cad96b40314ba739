import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from segsweep.config.model_schema import (
    BackboneUnetConfig,
    ClassifierConfig,
    ConvNetConfig,
    Deeplabv3Config,
    EncoderModelConfig,
    PixelMlpConfig,
    UnetConfig,
)
from segsweep.config.schema import ModelConfig, StridedUnetConfig
from segsweep.data.task import CLASSIFICATION
from segsweep.errors import ConfigError
from segsweep.models.table import ARCHITECTURES, build_model, check_task, size_multiple

CONFIGS = {
    "strided_unet": StridedUnetConfig(width=2, depth=2),
    "unet": UnetConfig(width=2, depth=2),
    "pixel_mlp": PixelMlpConfig(width=32, depth=2),
    "backbone_unet": BackboneUnetConfig(width=2, encoder="mobilenet_v2", alpha=0.35),
    "deeplabv3": Deeplabv3Config(width=2, encoder="mobilenet_v3_small", alpha=0.35),
    "classifier": ClassifierConfig(width=2, encoder="mobilenet_v2", alpha=0.35, dropout=0.5),
    "conv_net": ConvNetConfig(width=2, depth=2, separable=False),
}
CHANNELS_BEFORE_LOGITS = {"conv_net": 4}
"""As multiples of the width, where that is not 1."""
SHAPE = (32, 64, 3)


def small(config):
    """The model of two classes for images of 8 x 8 with three bands."""
    return build_model(config, (8, 8, 3), 2, seed=0)


def parameters_of(model):
    """How many parameters each layer has that has any."""
    return {layer.name: layer.count_params() for layer in model.layers if layer.count_params()}


def test_every_architecture_is_tested():
    assert CONFIGS.keys() == ARCHITECTURES.keys()


def test_the_table_imports_no_tensorflow():
    code = "import sys, segsweep.models.table; sys.exit('tensorflow' in sys.modules or 'tf_keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_unknown_name():
    with pytest.raises(
        ConfigError, match="model=resnet9000 is unknown; there are backbone_unet, classifier, conv_net, deeplabv3"
    ):
        size_multiple(ModelConfig(name="resnet9000"))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
class TestContract:
    def test_logits_have_the_size_of_the_labels(self, config):
        model = build_model(config, SHAPE, 5, seed=0)
        logits = model(np.random.default_rng(0).normal(size=(3, *SHAPE)).astype(np.float32)).numpy()
        assert logits.shape == (3, *ARCHITECTURES[config.name].task.label_size((32, 64)), 5)
        assert logits.min() < 0, "logits, not probabilities"

    def test_size_multiple_is_the_least_that_works(self, config):
        multiple = size_multiple(config)
        model = build_model(config, (multiple, 2 * multiple, 1), 2, seed=0)
        assert model.output_shape == (None, *ARCHITECTURES[config.name].task.label_size((multiple, 2 * multiple)), 2)
        if multiple > 1:
            with pytest.raises(ConfigError, match=f"multiples of {multiple}, not {multiple}x{multiple // 2}"):
                build_model(config, (multiple, multiple // 2, 1), 2, seed=0)

    def test_seed_alone_determines_weights_and_names(self, config):
        first = build_model(config, SHAPE, 2, seed=3)
        other = build_model(config, SHAPE, 2, seed=4)
        again = build_model(config, SHAPE, 2, seed=3)
        assert [w.name for w in first.weights] == [w.name for w in again.weights]
        for one, two in zip(first.get_weights(), again.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)
        assert any(
            not np.array_equal(one, two) for one, two in zip(first.get_weights(), other.get_weights(), strict=True)
        )

    def test_width_scales_the_channels(self, config):
        narrow, wide = (
            build_model(replace(config, width=width), SHAPE, 2, seed=0) for width in (config.width, 2 * config.width)
        )
        if not isinstance(config, EncoderModelConfig):
            assert 3 < wide.count_params() / narrow.count_params() < 4
        # Right before the logits, of every model.
        narrow, wide = (model.get_layer("logits").input_shape[-1] for model in (narrow, wide))
        channels = config.width * CHANNELS_BEFORE_LOGITS.get(config.name, 1)
        assert (narrow, wide) == (channels, 2 * channels)

    def test_is_flat_and_has_no_code_in_it(self, config):
        import tf_keras as keras

        model = build_model(config, SHAPE, 2, seed=0)
        banned = (keras.Model, keras.layers.Lambda, keras.layers.Normalization, keras.layers.Rescaling)
        assert not [layer.name for layer in model.layers if isinstance(layer, banned)]
        assert not [layer.name for layer in model.layers if type(layer).__name__ == "TFOpLambda"]

    def test_comes_back_from_json(self, config):
        import tf_keras as keras

        model = build_model(config, SHAPE, 2, seed=0)
        again = keras.models.model_from_json(model.to_json())
        again.set_weights(model.get_weights())
        image = np.random.default_rng(0).normal(size=(1, *SHAPE)).astype(np.float32)
        np.testing.assert_array_equal(model(image), again(image))


class TestStridedUnet:
    def test_layers_of_depth_1(self):
        model = small(StridedUnetConfig(width=4, depth=1))
        assert parameters_of(model) == {
            "enc0_conv": 9 * 3 * 4,
            "enc0_bn": 4 * 4,
            "enc1_down_conv": 9 * 4 * 8,
            "enc1_down_bn": 4 * 8,
            "enc1_conv": 9 * 8 * 8,
            "enc1_bn": 4 * 8,
            "dec0_conv": 9 * (8 + 4) * 4,
            "dec0_bn": 4 * 4,
            "logits": 4 * 2 + 2,
        }
        assert model.get_layer("enc1_down_conv").output_shape == (None, 4, 4, 8)

    @pytest.mark.parametrize(
        ("upsampling", "layer", "interpolation"),
        [
            ("nearest", "UpSampling2D", "nearest"),
            ("bilinear", "UpSampling2D", "bilinear"),
            ("transposed", "Conv2DTranspose", None),
        ],
    )
    def test_upsampling(self, upsampling, layer, interpolation):
        model = small(StridedUnetConfig(width=2, depth=2, upsampling=upsampling))
        for name in ("dec0_up", "dec1_up"):
            assert type(model.get_layer(name)).__name__ == layer
            assert model.get_layer(name).get_config().get("interpolation") == interpolation

    def test_unknown_upsampling(self):
        with pytest.raises(
            ConfigError, match=r"model\.upsampling=cubic is unknown; there are bilinear, nearest, trans"
        ):
            small(StridedUnetConfig(upsampling="cubic"))


class TestUnet:
    def test_layers_of_depth_1(self):
        assert parameters_of(small(UnetConfig(width=4, depth=1))) == {
            "enc0_1_conv": 9 * 3 * 4,
            "enc0_1_bn": 4 * 4,
            "enc0_2_conv": 9 * 4 * 4,
            "enc0_2_bn": 4 * 4,
            "enc1_1_conv": 9 * 4 * 8,
            "enc1_1_bn": 4 * 8,
            "enc1_2_conv": 9 * 8 * 8,
            "enc1_2_bn": 4 * 8,
            "dec0_up": 4 * 8 * 4 + 4,
            "dec0_1_conv": 9 * (4 + 4) * 4,
            "dec0_1_bn": 4 * 4,
            "dec0_2_conv": 9 * 4 * 4,
            "dec0_2_bn": 4 * 4,
            "logits": 4 * 2 + 2,
        }

    def test_resizing_is_followed_by_a_convolution(self):
        model = small(UnetConfig(width=4, depth=1, upsampling="bilinear"))
        assert model.get_layer("dec0_up").get_config()["interpolation"] == "bilinear"
        assert model.get_layer("dec0_up_conv").count_params() == 9 * 8 * 4

    def test_without_batch_norm_there_are_biases(self):
        model = small(UnetConfig(width=4, depth=1, batch_norm=False))
        assert model.get_layer("enc0_1_conv").count_params() == 9 * 3 * 4 + 4
        assert not [layer.name for layer in model.layers if layer.name.endswith("_bn")]

    def test_separable_and_residual(self):
        model = small(UnetConfig(width=4, depth=1, separable=True, residual=True))
        parameters = parameters_of(model)
        assert parameters["enc1_2_conv"] == 9 * 8 + 8 * 8
        assert parameters["enc1_shortcut_conv"] == 4 * 8
        assert "dec0_add" in {layer.name for layer in model.layers}


class TestPixelMlp:
    def test_layers_of_depth_1(self):
        assert parameters_of(small(PixelMlpConfig(width=4, depth=1))) == {
            "hidden0_conv": 3 * 4,
            "hidden0_bn": 4 * 4,
            "logits": 4 * 2 + 2,
        }

    def test_no_layer_but_the_logits_is_left_of_depth_0(self):
        model = small(PixelMlpConfig(depth=0))
        assert parameters_of(model) == {"logits": 3 * 2 + 2}
        image = np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype(np.float32)
        kernel, bias = model.get_weights()
        np.testing.assert_allclose(model(image).numpy(), image @ kernel[0, 0] + bias, atol=1e-6)

    def test_a_pixel_depends_on_no_other(self):
        model = small(PixelMlpConfig(width=4, depth=3))
        one = np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype(np.float32)
        other = one.copy()
        other[0, 2, 5] += 1
        changed = (model(one).numpy() != model(other).numpy()).any(axis=-1)
        assert np.argwhere(changed).tolist() == [[0, 2, 5]]

    def test_labels_of_whole_images_are_refused(self):
        with pytest.raises(
            ConfigError, match=r"model=pixel_mlp is for segmentation, .*; choose one of classifier, conv"
        ):
            check_task(PixelMlpConfig(), CLASSIFICATION, "cifar100")

    def test_odd_sizes_are_taken_as_they_are(self):
        assert build_model(PixelMlpConfig(), (101, 7, 3), 2, seed=0).output_shape == (None, 101, 7, 2)


class TestEncoders:
    def test_the_publications_dilations(self):
        """Chen et al. 2017, section 3.3: (6, 12, 18) at output stride 16, doubled at 8."""
        model = build_model(Deeplabv3Config(width=2, encoder="vgg16", output_stride=8), (32, 32, 3), 2, seed=0)
        rates = [model.get_layer(f"aspp{number}_conv").dilation_rate[0] for number in range(4)]
        assert rates == [1, 12, 24, 36]

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"encoder": "resnet9000"}, r"model\.encoder=resnet9000 is unknown; there are efficientnet_b0, "),
            ({"encoder": "vgg16", "alpha": 0.5}, r"model\.alpha=0\.5: model\.encoder=vgg16 has one width only"),
            (
                {"alpha": 0.4, "weights": "imagenet"},
                r"no ImageNet weights of mobilenet_v2 for it; choose one of 0\.35, ",
            ),
            ({"frozen": "some"}, r"model\.frozen=some is not a choice; it must be none, all, or a number .* 18 that"),
            ({"frozen": "19"}, r"model\.frozen=19 is not a choice"),
        ],
    )
    def test_settings_that_do_not_go_together(self, settings, message):
        with pytest.raises(ConfigError, match=message):
            size_multiple(BackboneUnetConfig(**settings))
