"""Batch size and epochs that follow from the number of training images."""

import pytest

from segsweep.config.training_schema import FineTuningConfig, TrainingConfig
from segsweep.training.optimizer_steps import (
    FEW,
    OptimizerSteps,
    optimizer_steps,
    remedy_of_few,
    with_enough_steps,
)


@pytest.mark.parametrize("images", [1, 9, 24, 96, 300, 367, 5000])
def test_what_is_given_stays(images):
    steps = optimizer_steps(TrainingConfig(batch_size=32, epochs=2), images)
    assert (steps.batch_size, steps.epochs) == (32, 2)


def test_the_last_batch_of_an_epoch_may_be_smaller():
    # 10 images in batches of 4: 4, 4 and 2; two phases of 5 and 2 epochs.
    steps = optimizer_steps(TrainingConfig(batch_size=4, epochs=5, fine_tuning=FineTuningConfig(epochs=2)), 10)
    assert (steps.per_epoch, steps.total) == (3, 21)


def test_few_images_get_small_batches_and_many_images_what_they_always_had():
    found = [optimizer_steps(TrainingConfig(), images) for images in (96, 367, 500, 5000)]
    assert [(steps.batch_size, steps.epochs) for steps in found] == [(4, 30), (4, 30), (8, 30), (16, 30)]


def test_where_images_have_a_class_each_batches_are_larger():
    found = with_enough_steps(TrainingConfig(), 96, by_pixel=False)
    assert (found.batch_size, found.epochs) == (8, 59)


@pytest.mark.parametrize("images", range(28, 2000, 61))
def test_open_settings_are_never_few_steps(images):
    assert remedy_of_few(optimizer_steps(TrainingConfig(), images)) is None


def test_epochs_have_a_limit():
    assert optimizer_steps(TrainingConfig(), 2).epochs == 100


def test_the_batch_size_follows_from_given_epochs_but_epochs_from_the_images_alone():
    assert optimizer_steps(TrainingConfig(epochs=250), 96).batch_size == 16
    # As before there was anything to follow from: the trainings of older stores are found.
    assert optimizer_steps(TrainingConfig(batch_size=16), 96).epochs == 30


@pytest.mark.parametrize("images", [7, 40, 96, 150, 367])
@pytest.mark.parametrize("batch_size", [1, 4, 8, 16, 64])
@pytest.mark.parametrize("epochs", [1, 10, 30])
def test_the_remedy_cures_and_is_given_only_where_needed(images, batch_size, epochs):
    steps = OptimizerSteps(images, batch_size, epochs)
    remedy = remedy_of_few(steps)
    assert (remedy is None) == (steps.total >= FEW)
    for each in (remedy or "").replace(", or ", " or ").split(" or ") if remedy else []:
        changes = dict(word.removeprefix("training.").split("=") for word in each.split(" and "))
        better = optimizer_steps(
            TrainingConfig(**{"batch_size": batch_size, "epochs": epochs} | {k: int(v) for k, v in changes.items()}),
            images,
        )
        assert better.total >= FEW
        assert better.batch_size <= batch_size
