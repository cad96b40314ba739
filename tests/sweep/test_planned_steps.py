"""What a plan says of the optimizer steps of its trainings."""

import pytest
from small_jobs import dataset, job

from segsweep.config.training_schema import TrainingConfig
from segsweep.lineage.jobs import lineage
from segsweep.sweep.planned_steps import steps_text


def trainings(*settings: TrainingConfig, kind: str = "float"):
    jobs = [lineage(job("qat_int8", training=each), dataset()) for each in settings]
    return [spec for each in jobs for spec in each.trainings if spec.kind == kind]


def test_a_line_for_each_number_of_steps_with_what_to_change():
    # 6 images: batches of 4 are 2 steps an epoch, one of 16 is 1.
    few, enough = TrainingConfig(batch_size=16, epochs=30), TrainingConfig(batch_size=4, epochs=350)
    assert steps_text(trainings(few, enough, enough)) == [
        "1: 30 optimizer steps (6 images in one batch, 30 epochs)",
        "note: these are few optimizer steps for a training from scratch; set training.batch_size=4 and "
        "training.epochs=350, or training.epochs=700",
        "2: 700 optimizer steps (6 images in batches of 4, 350 epochs)",
    ]


@pytest.mark.parametrize("kind", ["finetune", "qat"])
def test_a_fine_tune_has_the_batches_of_its_float_training_and_is_never_called_short(kind):
    assert steps_text(trainings(TrainingConfig(batch_size=2, epochs=1), kind=kind)) == [
        "each: 24 optimizer steps (6 images in batches of 2, 8 epochs)"
    ]


def test_open_settings_follow_from_the_images():
    assert steps_text(trainings(TrainingConfig()))[0] == (
        "each: 200 optimizer steps (6 images in batches of 4, 100 epochs)"
    )
