"""What settings become that are left to others, or to the data."""

from dataclasses import replace

import pytest
from small_jobs import dataset, job

from segsweep.config import schema, training_schema
from segsweep.errors import ConfigError
from segsweep.lineage.jobs import lineage


def test_a_given_finetune_rate_is_kept():
    quantization = schema.QuantizationConfig(name="qat_int8", learning_rate=0.5)
    spec = lineage(job(quantization=quantization), dataset())
    assert spec.asked.training.config.training.learning_rate == 0.5


def test_default_calibration_shrinks_to_the_data_and_more_is_refused():
    assert lineage(job(), dataset()).asked.config.quantization.calibration.samples == 6
    config = job(quantization=schema.QuantizationConfig(name="int8", calibration=schema.CalibrationConfig(samples=7)))
    with pytest.raises(ConfigError, match="more than the 6 training images"):
        lineage(config, dataset())
    # A fine-tune begins at calibrated ranges, also without a control.
    alone = replace(config, quantization=replace(config.quantization, name="qat_int8", control=False))
    with pytest.raises(ConfigError, match="more than the 6 training images"):
        lineage(alone, dataset())
    unused = replace(config, quantization=replace(config.quantization, name="float16"))
    assert lineage(unused, dataset()).asked.variant.name == "float16"


def test_the_rate_of_fine_tuning_is_a_tenth_where_none_is_given():
    rates = [
        lineage(
            job(training=training_schema.TrainingConfig(learning_rate=0.02, fine_tuning=each)), dataset()
        ).asked.training
        for each in (
            training_schema.FineTuningConfig(epochs=2),
            training_schema.FineTuningConfig(epochs=2, learning_rate=0.002),
        )
    ]
    assert rates[0].key == rates[1].key
    assert rates[0].config.training.fine_tuning.learning_rate == pytest.approx(0.002)


def training_of(**settings):
    return lineage(job("qat_int8", training=training_schema.TrainingConfig(**settings)), dataset())


def test_open_batch_size_and_epochs_follow_from_the_images_and_given_ones_stay():
    # 6 training images: batches of 4, and as many epochs as there may be.
    chosen = training_of().variants[0].training
    assert (chosen.config.training.batch_size, chosen.config.training.epochs) == (4, 100)
    assert chosen.key == training_of(batch_size=4, epochs=100).variants[0].training.key
    given = training_of(batch_size=16, epochs=30).variants[0].training
    assert (given.config.training.batch_size, given.config.training.epochs) == (16, 30)
    assert given.key != chosen.key


def test_fine_tunes_have_the_batch_size_of_their_float_training():
    tuned = [each.config.training for each in training_of().trainings if each.kind != "float"]
    assert [(each.batch_size, each.epochs) for each in tuned] == [(4, 8), (4, 8)]


def test_fine_tunes_do_not_average_weights():
    float_training, *tuned = (each.config.training for each in training_of(ema=0.9).trainings)
    assert float_training.ema == 0.9
    assert [each.ema for each in tuned] == [None, None]
    keys = [training_of(ema=ema).variants[0].training.key for ema in (None, 0.9, 0.99)]
    assert len(set(keys)) == 3
