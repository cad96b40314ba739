"""Every YAML of the settings composes to a job, and every member of a family has one."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_module

from segsweep.config.job_config import to_job_config
from segsweep.config.registration import SECTIONS, register
from segsweep.quantization.variants import BY_RECIPE, VARIANTS

CONF = Path(__file__).resolve().parents[2] / "conf"
CHOICES = sorted((path.parent.name, path.stem) for path in CONF.glob("*/*.yaml") if path.parent.name != "experiment")
EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
NEEDED = {
    **{name: ["data.root=."] for name in ("cifar100", "class_folders", "voc", "oxford_pets")},
    "npz": ["data.train=some.npz"],
    "image_folder": ["data.root=.", "data.classes=[a,b]"],
    **{name: ["quantization.recipe=recipe.yaml"] for name in BY_RECIPE},
}


def composed(*overrides: str):
    import hydra_plugins.segsweep_sweeper.segsweep_sweeper as plugin

    plugin.register()
    with initialize_config_module(config_module="segsweep.conf", version_base="1.3"):
        return to_job_config(compose("config", overrides=list(overrides)))


@pytest.mark.parametrize(("section", "choice"), CHOICES)
def test_every_choice_composes(section, choice):
    config = composed(f"{section}={choice}", *NEEDED.get(choice, []))
    name = getattr(getattr(config, section), "name", choice)
    assert name == choice


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_composes(experiment):
    assert composed(f"experiment={experiment}")


def test_every_member_of_a_family_can_be_chosen():
    register()
    for section in ("data", "model", "loss"):
        assert {choice for name, choice in CHOICES if name == section} == set(SECTIONS[section])
    assert {choice for name, choice in CHOICES if name == "quantization"} == {*VARIANTS, *BY_RECIPE}
