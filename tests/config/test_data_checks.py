"""Settings of the data that must fit each other."""

import pytest
from omegaconf import OmegaConf

from segsweep.config.checks import check
from segsweep.config.job_config import to_section
from segsweep.errors import ConfigError


@pytest.mark.parametrize(
    ("leaves", "complaint"),
    [
        ({"data.name": "voc", "data.root": None}, r"data\.root is not set"),
        ({"data.name": "npz", "data.train": None}, r"data\.train is not set"),
        ({"data.size": [256]}, r"\[height,width\]"),
        ({"data.size": [256, 8]}, "16 or greater"),
        ({"data.patch.size": 32, "data.patch.stride": 33}, "pixels are lost"),
        ({"data.patch.stride": 16}, "pixels are lost"),
        ({"data.patch.size": 4}, "8 or greater"),
        ({"data.channels": [0, -1]}, "0 or greater"),
        ({"data.fit": "stretch"}, "resize, crop, pad"),
        ({"data.normalize": "none"}, "standard, percentile"),
        ({"data.target": "things"}, "classes, foreground"),
    ],
)
def test_what_cannot_be_meant_is_refused(leaves, complaint):
    with pytest.raises(ConfigError, match=complaint):
        check(leaves)


def test_a_stand_in_needs_no_place():
    check({"data.name": "voc", "data.root": None, "data.standin": True})


def test_palettes_and_merged_classes_are_settings():
    given = {"name": "image_folder", "palette": {"a": "#000000"}, "merge": {"b": ["a", "c"]}, "patch": {"size": 64}}
    config = to_section("data", OmegaConf.create({"data": given}))
    assert (config.palette, config.merge, config.patch.size) == ({"a": "#000000"}, {"b": ["a", "c"]}, 64)
    with pytest.raises(ConfigError, match=r"unknown setting data\.patch\.sise; did you mean data\.patch\.size"):
        to_section("data", OmegaConf.create({"data": {"name": "image_folder", "patch": {"sise": 64}}}))
