"""From composed settings to a checked job, and back."""

import pytest
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
        ({"quantization": {"name": "int4"}}, "int8"),
        ({"model": 3}, "model has no settings"),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right(changes, message):
    with pytest.raises(ConfigError, match=message):
        composed(**changes)
