"""From composed settings to a checked job, and back."""

import pytest
import yaml
from omegaconf import OmegaConf

from segsweep.config.job_config import parameters, to_job_config, to_yaml
from segsweep.config.registration import SECTIONS
from segsweep.config.schema import JobConfig
from segsweep.errors import ConfigError

SETTINGS = {
    **{section: {} for section in SECTIONS},
    "data": {"name": "npz", "train": "a.npz"},
    "model": {"name": "strided_unet"},
    "loss": {"name": "cross_entropy"},
    "quantization": {"name": "int8"},
    "seed": 3,
}


def composed(**changes: object) -> JobConfig:
    return to_job_config(OmegaConf.create({**SETTINGS, **changes}))


def test_defaults_are_filled_in_and_given_values_kept():
    config = composed(model={"name": "strided_unet", "width": 5})
    assert (config.model.width, config.model.depth, config.seed) == (5, 3, 3)
    assert config.data.train == "a.npz"


def test_parameters_have_override_names():
    leaves = parameters(composed())
    assert leaves["quantization.calibration.seed"] == 0
    assert leaves["training.early_stopping.monitor"] == "val/mean_iou"
    assert leaves["seed"] == 3


def test_yaml_composes_to_the_same_job():
    config = composed(loss={"name": "cross_entropy", "class_weights": [1, 2]})
    assert to_job_config(OmegaConf.create(to_yaml(config))) == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"name": "strided_unet", "wdth": 4}}, "did you mean model.width"),
        ({"model": {"name": "strided_unet", "_target_": "os.system"}}, "_target_"),
        ({"training": {"augmentation": {"flip": True}}}, "training.augmentation.flips"),
        ({"model": {"name": "vgg"}}, "model.name=vgg"),
        ({"model": {"name": "strided_unet", "width": "many"}}, "model.width"),
        ({"data": {"name": "npz"}}, "data.train is not set"),
        ({"modle": {}}, "did you mean model"),
        ({"seed": 1.5}, "seed=1.5"),
        ({"quantization": {"name": "int3"}}, "int8"),
        ({"model": 3}, "model has no settings"),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right(changes, message):
    with pytest.raises(ConfigError, match=message):
        composed(**changes)


def test_no_hidden_layer_is_for_the_pixel_mlp_alone():
    assert composed(model={"name": "pixel_mlp", "depth": 0}).model.depth == 0
    with pytest.raises(ConfigError, match=r"model\.depth=8 is out of range; it must be 0 to 7"):
        composed(model={"name": "pixel_mlp", "depth": 8})
    with pytest.raises(ConfigError, match=r"model\.depth=0 is out of range; it must be 1 to 7"):
        composed(model={"name": "strided_unet", "depth": 0})


def job(*words: str) -> JobConfig:
    """The job of the words of a command line."""
    given = OmegaConf.create(SETTINGS)
    for word in words:
        OmegaConf.update(given, word.partition("=")[0], yaml.safe_load(word.partition("=")[2]))
    return to_job_config(given)


class TestTrainingFeatures:
    """Settings of augmentation, phases and stopping, as given on the command line."""

    @pytest.mark.parametrize(
        ("word", "right"),
        [
            ("training.augmentation.flips=vertical", "auto, true, false, horizontal"),
            ("training.augmentation.flips=1", "auto, true, false, horizontal"),
            ("training.augmentation.turns=2", "auto, true, false"),
            ("data.view=sideways", "auto, nadir, upright"),
            ("training.augmentation.scale=[2,0.5]", r"\[low, high\] with each 0.25 to 8"),
            ("training.augmentation.scale=[1]", r"\[low, high\]"),
            ("training.augmentation.contrast=[-0.1,1]", r"\[low, high\] with each 0 or greater"),
            ("training.augmentation.noise=-1", "0 or greater"),
            ("training.schedule=step", "constant, cosine, linear, exponential, plateau"),
            ("training.plateau.factor=1", "between 0 and 1"),
            ("training.fine_tuning.epochs=-1", "0 or greater"),
            ("training.preview_images=17", "0 to 16"),
            ("data.histogram=clahe", "none, equalize, match"),
        ],
    )
    def test_out_of_range(self, word, right):
        with pytest.raises(ConfigError, match=f"^{word.partition('=')[0]}=.*{right}"):
            job(word)

    def test_right_ones(self):
        words = [
            *("training.augmentation.flips=horizontal", "training.augmentation.scale=[0.5,2]"),
            *("training.augmentation.contrast=[0.8,1.2]", "training.early_stopping.target=0.9"),
            *("training.schedule=plateau", "training.fine_tuning.epochs=3", "training.fine_tuning.frozen='2'"),
        ]
        training = job(*words).training
        assert training.augmentation.flips == "horizontal"
        assert training.augmentation.scale == [0.5, 2.0]
        assert (training.fine_tuning.frozen, training.early_stopping.target) == ("2", 0.9)
        assert job("training.augmentation.flips=false").training.augmentation.flips is False
        assert job("training.augmentation.turns=true").training.augmentation.turns is True
        assert job().training.augmentation.turns == "auto"
