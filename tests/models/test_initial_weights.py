from dataclasses import replace

import numpy as np
import pytest

from segsweep.cli import main
from segsweep.config.model_schema import (
    BackboneUnetConfig,
    ClassifierConfig,
    ConvNetConfig,
    Deeplabv3Config,
    PixelMlpConfig,
    UnetConfig,
)
from segsweep.config.schema import StridedUnetConfig
from segsweep.errors import ConfigError
from segsweep.models.encoders import ENCODERS
from segsweep.models.initial_weights import (
    _objection,
    check_initial_weights,
    initial_weights_digest,
    set_initial_weights,
)
from segsweep.models.table import build_model
from segsweep.runs.training_run import _weights_file

SMALL = ConvNetConfig(width=2, depth=1)


def saved(path, config=SMALL, seed=0):
    model = build_model(config, (16, 16, 3), 3, seed=seed)
    path.write_bytes(_weights_file(model))
    return model


def test_a_model_for_larger_images_starts_from_them(tmp_path):
    small = saved(tmp_path / "weights.npz")
    large = build_model(SMALL, (32, 24, 3), 3, seed=1)
    set_initial_weights(large, str(tmp_path / "weights.npz"))
    for one, other in zip(small.get_weights(), large.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_of_another_model_are_refused(tmp_path):
    path = str(tmp_path / "weights.npz")
    saved(tmp_path / "weights.npz", ConvNetConfig(width=4, depth=1))
    with pytest.raises(ConfigError, match=r"stem_conv.kernel:0 is \(3, 3, 3, 4\) where the model's stem_conv/kernel:0"):
        set_initial_weights(build_model(SMALL, (16, 16, 3), 3, seed=0), path)
    with pytest.raises(ConfigError, match="arrays where the model has"):
        set_initial_weights(build_model(ConvNetConfig(width=4, depth=2), (16, 16, 3), 3, seed=0), path)


CLASSES = ("a", "b", "c")
MODELS = (
    StridedUnetConfig(width=2, depth=2),
    StridedUnetConfig(width=2, depth=2, upsampling="transposed"),
    UnetConfig(width=2, depth=2),
    UnetConfig(width=2, depth=2, upsampling="bilinear", batch_norm=False, separable=True, residual=True),
    BackboneUnetConfig(width=2, encoder="mobilenet_v2", alpha=0.35, residual=True),
    BackboneUnetConfig(width=2, encoder="vgg16", upsampling="transposed"),
    Deeplabv3Config(width=2, encoder="mobilenet_v3_small", alpha=0.35, separable=True),
    Deeplabv3Config(width=2, encoder="resnet50"),
    ClassifierConfig(width=2, encoder="efficientnet_b0", separable=True),
    ClassifierConfig(width=2, encoder="efficientnet_v2_b0"),
    PixelMlpConfig(width=2, depth=2),
    ConvNetConfig(width=2, depth=2),
    ConvNetConfig(width=2, depth=1, separable=False, residual=False, batch_norm=False),
)


def shapes_of(config, bands=4):
    model = build_model(config, (64, 64, bands), 3, seed=0)
    return {variable.name: tuple(variable.shape) for variable in model.weights}


@pytest.mark.parametrize("config", MODELS, ids=lambda config: f"{config.name}-{getattr(config, 'encoder', '')}")
def test_what_is_known_of_layers_agrees_with_the_models(config):
    shapes = shapes_of(config)
    assert _objection(shapes, config, 4, CLASSES) is None
    assert _objection(shapes, config, 3, CLASSES) == "is for images of 4 bands, and the data has 3"
    assert _objection(shapes, config, 4, CLASSES[:2]) == "is for 3 classes, and the data has 2"
    assert "channels in" in _objection(shapes, replace(config, width=4), 4, CLASSES)
    changes = {
        "depth": 3,
        "upsampling": "transposed" if getattr(config, "upsampling", "") != "transposed" else "nearest",
        "batch_norm": not getattr(config, "batch_norm", True),
        "separable": not getattr(config, "separable", True),
        "residual": not getattr(config, "residual", True),
        "encoder": "efficientnet_b1" if getattr(config, "encoder", "") != "resnet50" else "vgg16",
    }
    for name, value in changes.items():
        if hasattr(config, name) and (config.name, name) != ("classifier", "separable"):
            assert _objection(shapes, replace(config, **{name: value}), 4, CLASSES) is not None, name
    for other in MODELS:
        if other.name != config.name:
            assert _objection(shapes, other, 4, CLASSES) is not None, other


def test_each_encoder_is_known():
    assert {each.encoder for each in MODELS if hasattr(each, "encoder")} <= ENCODERS.keys()
    narrow = BackboneUnetConfig(width=2, encoder="mobilenet_v2", alpha=0.35)
    found = _objection(shapes_of(narrow, bands=3), replace(narrow, alpha=0.5), 3, CLASSES)
    assert found == "holds 261728 weights in its encoder where mobilenet_v2 of alpha 0.5 has 496304"


def test_what_plainly_does_not_fit_is_refused_up_front(tmp_path):
    def check(name, config=SMALL, bands=3, classes=CLASSES):
        check_initial_weights(str(tmp_path / name), config, bands, classes)

    saved(tmp_path / "weights.npz")
    check("weights.npz")
    with pytest.raises(ConfigError, match=r"weights\.npz is for 3 classes, and the data has 2; give the path"):
        check("weights.npz", classes=CLASSES[:2])
    with pytest.raises(ConfigError, match=r"has 2 channels in stem_conv, which has 4 with model\.width=4; give"):
        check("weights.npz", ConvNetConfig(width=4, depth=1))
    with pytest.raises(ConfigError, match="is of another model: it lacks the layer level2_1_conv of model=conv_net"):
        check("weights.npz", ConvNetConfig(width=2, depth=2))
    with pytest.raises(ConfigError, match=r"training\.initial_weights=.*nowhere\.npz is not there; give the path"):
        check("nowhere.npz")
    (tmp_path / "text.npz").write_text("no weights")
    with pytest.raises(ConfigError, match=r"is no \.npz archive"):
        check("text.npz")
    np.savez(tmp_path / "data.npz", X=np.zeros((2, 4, 4, 3)), Y=np.zeros((2, 4, 4)))
    with pytest.raises(ConfigError, match=r"cannot be read \(ValueError: it holds 'X', which is no layer's\); give"):
        check("data.npz")
    with np.load(tmp_path / "weights.npz") as arrays:
        kept = {name: arrays[name] for name in arrays.files if "logits" not in name}
    np.savez(tmp_path / "headless.npz", **kept)
    with pytest.raises(ConfigError, match="holds no layer that makes logits"):
        check("headless.npz")
    np.savez(tmp_path / "empty.npz")
    with pytest.raises(ConfigError, match="holds no layer that makes logits"):
        check("empty.npz")


def test_weights_of_another_model_are_refused_before_the_training(tmp_path, workplace, capsys):
    saved(tmp_path / "weights.npz")
    words = ["data.size=16", "data.train_images=2", "data.validation_images=2", "data.test_images=2"]
    assert main(["run", *words, f"training.initial_weights={tmp_path}/weights.npz"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "weights.npz is of another model: it lacks the layer enc0_conv of model=strided_unet" in said[0]


def test_the_content_counts_and_not_the_path(tmp_path):
    for name, seed in (("a.npz", 0), ("b.npz", 0), ("c.npz", 1)):
        saved(tmp_path / name, seed=seed)
    a, b, c = (initial_weights_digest(str(tmp_path / f"{name}.npz")) for name in "abc")
    assert a == b != c
