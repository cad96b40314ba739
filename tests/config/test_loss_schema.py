"""What a loss can be told, through to the names it has in a run."""

import pytest
from omegaconf import OmegaConf

from segsweep.config.checks import RULES
from segsweep.config.job_config import parameters, to_job_config, to_yaml
from segsweep.config.loss_schema import TERMS, CombinedLossConfig, LossTerms, unused_terms, used_loss_settings
from segsweep.config.registration import SECTIONS
from segsweep.config.schema import JobConfig, LossConfig
from segsweep.errors import ConfigError


def composed(**loss: object) -> JobConfig:
    settings = {
        **{section: {} for section in SECTIONS},
        "data": {"name": "npz", "train": "a.npz"},
        "model": {"name": "strided_unet"},
        "quantization": {"name": "int8"},
        "loss": loss,
    }
    return to_job_config(OmegaConf.create(settings))


def test_a_given_term_replaces_the_default_sum():
    assert LossTerms().weights() == {"dice": 1, "focal": 1}
    assert LossTerms(jaccard=2).weights() == {"jaccard": 2}
    assert LossTerms(jaccard=2, dice=0).weights() == {"jaccard": 2}


def test_resolved_terms_are_the_same_sum():
    for terms in (LossTerms(), LossTerms(jaccard=2, dice=0)):
        assert terms.resolved().weights() == terms.weights()
        assert None not in vars(terms.resolved()).values()


def test_unused_terms():
    assert unused_terms(CombinedLossConfig(terms=LossTerms(dice=1, focal=0))) == set(TERMS) - {"dice"}
    assert not unused_terms(LossConfig())


def test_a_sum_is_told_by_the_terms_it_has_alone():
    # So that a term that comes to be known makes no other training of those that do without it.
    used = used_loss_settings(CombinedLossConfig(terms=LossTerms(lovasz=1, focal=0)))
    assert used == {"name": "combined", "class_weights": None, "terms": {"lovasz": 1}, "lovasz": {"present_only": True}}


def test_every_number_of_a_term_has_a_parameter_and_a_range():
    loss = {name: value for name, value in parameters(composed(name="combined")).items() if name.startswith("loss.")}
    numbers = {name for name, value in loss.items() if name.startswith("loss.terms.") or isinstance(value, float)}
    assert {"loss.terms.dice", "loss.focal.gamma", "loss.tversky.alpha"} <= numbers <= RULES.keys()


@pytest.mark.parametrize("name", SECTIONS["loss"])
def test_yaml_composes_to_the_same_job(name):
    config = composed(name=name)
    assert config.loss.name == name
    assert to_job_config(OmegaConf.create(to_yaml(config))) == config


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ({"name": "combined", "terms": {"dise": 1}}, "did you mean loss.terms.dice"),
        ({"name": "combined", "terms": {"dice": 0, "focal": 0.0}}, "every term weighs 0"),
        ({"name": "combined", "terms": {"dice": float("inf")}}, "loss.terms.dice=inf"),
        ({"name": "combined", "tversky": {"gama": 1}}, "did you mean loss.tversky.gamma"),
        ({"name": "tversky", "alpha": 0}, "loss.alpha=0"),
        ({"name": "tversky", "gamma": 0}, "loss.gamma=0"),
        ({"name": "dice", "smooth": 0}, "loss.smooth=0"),
        ({"name": "lovasz", "smooth": 1}, "unknown setting loss.smooth"),
    ],
)
def test_what_is_wrong_is_named(loss, message):
    with pytest.raises(ConfigError, match=message):
        composed(**loss)
