import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from segsweep.config.schema import ModelConfig, StridedUnetConfig
from segsweep.errors import ConfigError
from segsweep.models.table import ARCHITECTURES, build_model, size_multiple

CONFIGS = {"strided_unet": StridedUnetConfig(width=2, depth=2)}
SHAPE = (8, 12, 3)


def test_every_architecture_is_tested():
    assert CONFIGS.keys() == ARCHITECTURES.keys()


def test_the_table_imports_no_tensorflow():
    code = "import sys, segsweep.models.table; sys.exit('tensorflow' in sys.modules or 'tf_keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_unknown_name():
    with pytest.raises(ConfigError, match="model=resnet9000 is unknown; there are strided_unet"):
        size_multiple(ModelConfig(name="resnet9000"))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
class TestContract:
    def test_logits_have_the_size_of_the_image(self, config):
        model = build_model(config, SHAPE, 5, seed=0)
        logits = model(np.random.default_rng(0).normal(size=(3, *SHAPE)).astype(np.float32)).numpy()
        assert logits.shape == (3, 8, 12, 5)
        assert logits.min() < 0, "logits, not probabilities"

    def test_size_multiple_is_the_least_that_works(self, config):
        multiple = size_multiple(config)
        model = build_model(config, (multiple, 2 * multiple, 1), 2, seed=0)
        assert model.output_shape == (None, multiple, 2 * multiple, 2)
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
        narrow = build_model(config, SHAPE, 2, seed=0).count_params()
        wide = build_model(replace(config, width=2 * config.width), SHAPE, 2, seed=0).count_params()
        assert 3 < wide / narrow < 4

    def test_is_flat_and_has_no_code_in_it(self, config):
        import tf_keras as keras

        model = build_model(config, SHAPE, 2, seed=0)
        banned = (keras.Model, keras.layers.Lambda, keras.layers.Normalization, keras.layers.Rescaling)
        assert not [layer.name for layer in model.layers if isinstance(layer, banned)]

    def test_comes_back_from_json(self, config):
        import tf_keras as keras

        model = build_model(config, SHAPE, 2, seed=0)
        again = keras.models.model_from_json(model.to_json())
        again.set_weights(model.get_weights())
        image = np.random.default_rng(0).normal(size=(1, *SHAPE)).astype(np.float32)
        np.testing.assert_array_equal(model(image), again(image))


class TestStridedUnet:
    def test_layers_of_depth_1(self):
        model = build_model(StridedUnetConfig(width=4, depth=1), (8, 8, 3), 2, seed=0)
        parameters = {layer.name: layer.count_params() for layer in model.layers if layer.count_params()}
        assert parameters == {
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
        model = build_model(StridedUnetConfig(width=2, depth=2, upsampling=upsampling), (8, 8, 3), 2, seed=0)
        for name in ("dec0_up", "dec1_up"):
            assert type(model.get_layer(name)).__name__ == layer
            assert model.get_layer(name).get_config().get("interpolation") == interpolation

    def test_unknown_upsampling(self):
        with pytest.raises(
            ConfigError, match=r"model\.upsampling=cubic is unknown; there are bilinear, nearest, trans"
        ):
            build_model(StridedUnetConfig(upsampling="cubic"), (8, 8, 3), 2, seed=0)
