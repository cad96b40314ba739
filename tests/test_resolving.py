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
