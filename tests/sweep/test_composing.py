"""The fast composing gives what Hydra gives."""

import pytest
from hydra import compose, initialize_config_module
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.types import HydraContext, RunMode

from segsweep.config.job_config import to_job_config
from segsweep.errors import ConfigError
from segsweep.sweep.composing import Composer
from segsweep.sweep.hydra_sweep import expand


@pytest.fixture
def hydra():
    import hydra_plugins.segsweep_sweeper.segsweep_sweeper as plugin

    plugin.register()
    with initialize_config_module(config_module="segsweep.conf", version_base="1.3"):
        yield GlobalHydra.instance()


@pytest.fixture
def context(hydra) -> HydraContext:
    return HydraContext(config_loader=hydra.config_loader(), callbacks=Callbacks())


POINTS = [
    [],
    ["model.width=4", "training.learning_rate=1e-2", "seed=7"],
    ["quantization=int8", "quantization.calibration.samples=5"],
    ["quantization=qat_int8", "quantization.learning_rate=null", "quantization.control=false"],
    ["data=npz", "data.train='a b.npz'", "data.classes=[x,y]"],
    ["experiment=quickstart", "model.width=2", "loss.class_weights=[1,2.5]"],
    ["loss=combined", "loss.terms={dice:1,focal:2}", "loss.dice.smooth=3"],
    ["loss=combined", "loss.terms.jaccard=2"],
    ["loss=focal", "loss.gamma=1", "loss.class_weights=balanced"],
    ["training.augmentation={flips: false, turns: false}"],
    ["training.epochs=9", "quantization.epochs=${training.epochs}"],
    ["tracking.uri=sqlite:///elsewhere.db", "seed=3"],
]


@pytest.mark.parametrize("overrides", POINTS, ids=" ".join)
def test_the_result_is_hydras_own(context, overrides):
    config = context.config_loader.load_configuration("config", [], RunMode.MULTIRUN)
    config.hydra.job.config_name = "config"
    composer = Composer(config, context)
    for _ in range(2):
        assert composer.compose(overrides) == to_job_config(compose("config", overrides=overrides))


def test_points_do_not_leak_into_each_other(context):
    config = context.config_loader.load_configuration("config", [], RunMode.MULTIRUN)
    config.hydra.job.config_name = "config"
    composer = Composer(config, context)
    assert composer.compose(["model.width=4"]).model.width == 4
    assert composer.compose(["seed=1"]).model.width == 8


@pytest.mark.parametrize(
    ("params", "arguments", "expected"),
    [
        (["a=1,2"], [], [["a=1"], ["a=2"]]),
        (["a=1,2"], ["a=3"], [["a=3"]]),
        (["a=1,2"], ["++a=3,4"], [["a=3"], ["a=4"]]),
        (["a=1,2"], ["+a=3"], [["a=3"]]),
        (["a=1,2"], ["b=x,y"], [["a=1", "b=x"], ["a=1", "b=y"], ["a=2", "b=x"], ["a=2", "b=y"]]),
        ([], ["a=choice(1,2)"], [["a=1"], ["a=2"]]),
        ([], ["a={x:1,y:2},{x:3}"], [["a={x:1,y:2}"], ["a={x:3}"]]),
        ([], ["a=range(1,4)"], [["a=1"], ["a=2"], ["a=3"]]),
        ([], [], [[]]),
    ],
)
def test_axes_are_expanded_and_the_command_line_replaces(context, params, arguments, expected):
    assert expand(params, arguments, context) == expected


@pytest.mark.parametrize("argument", ["~a", "a=interval(1,2)"])
def test_axes_that_cannot_be(context, argument):
    with pytest.raises(ConfigError):
        expand([], [argument], context)
