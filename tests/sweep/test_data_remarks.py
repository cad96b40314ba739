"""What a sweep says of its data before it starts, and its runs afterwards."""

from dataclasses import replace

import pytest

from segsweep.config.data_schema import OxfordPetsConfig, SyntheticParcelsConfig
from segsweep.config.schema import (
    EnsembleConfig,
    EvaluationConfig,
    JobConfig,
    LossConfig,
    QuantizationConfig,
    StridedUnetConfig,
    SweepConfig,
    TrackingConfig,
)
from segsweep.config.training_schema import TrainingConfig
from segsweep.data.sources import load_dataset
from segsweep.lineage.jobs import lineage
from segsweep.progress import Reporter
from segsweep.runs.context import Context
from segsweep.sweep.plan import plan_text
from segsweep.sweep.points import Point, data_remarks, jobs_of

STANDIN = JobConfig(
    data=OxfordPetsConfig(standin=True, size=[32, 32]),
    model=StridedUnetConfig(),
    loss=LossConfig(),
    training=TrainingConfig(),
    quantization=QuantizationConfig(name="float32"),
    evaluation=EvaluationConfig(),
    ensemble=EnsembleConfig(),
    tracking=TrackingConfig(),
    sweep=SweepConfig(),
    seed=0,
)
REAL = replace(STANDIN, data=SyntheticParcelsConfig(size=16, train_images=4, validation_images=2, test_images=3))


def test_a_stand_in_is_said_once_for_all_points():
    points = [Point((), replace(STANDIN, seed=seed)) for seed in range(3)]
    assert sum("stand-in for oxford_pets" in each for each in data_remarks(points)) == 1
    assert not any("stand-in" in each for each in data_remarks([Point((), REAL)]))


@pytest.mark.usefixtures("workplace")
def test_a_plan_lists_it():
    points = [Point((), STANDIN)]
    assert "data       a generated stand-in for oxford_pets" in plan_text(points, *jobs_of(points))


@pytest.mark.parametrize(("config", "tag"), [(STANDIN, "true"), (REAL, None)])
def test_runs_bear_a_tag(config, tag):
    dataset = load_dataset(config.data)
    context = Context(None, dataset, config.sweep, Reporter(None, 0, ""))
    assert context.common_tags(lineage(config, dataset).asked.training).get("segsweep.standin") == tag


def test_percentile_normalization_makes_another_training():
    one, other = (
        lineage(config, load_dataset(config.data)).asked.training.key
        for config in (STANDIN, replace(STANDIN, data=replace(STANDIN.data, normalize="percentile")))
    )
    assert one != other


def test_the_size_of_the_cache_makes_no_other_training():
    one, other = (
        lineage(config, load_dataset(config.data)).asked.evaluation_key
        for config in (STANDIN, replace(STANDIN, data=replace(STANDIN.data, cache_mib=0)))
    )
    assert one == other
