"""Which variants of a sweep become an ensemble."""

import json
from types import SimpleNamespace

from segsweep.config.schema import EnsembleConfig
from segsweep.sweep.ensembles import Made, ensembles
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord


def made(training: str, quantization: str, validation: float, calibration: int = 0) -> Made:
    key = f"{training} {quantization} {calibration}"
    tags = {names.DATA_FINGERPRINT: json.dumps({"test": "t"})}
    spec = SimpleNamespace(
        key=key,
        evaluation_key=key,
        training=SimpleNamespace(key=training, kind="float", root=SimpleNamespace(key=training)),
        variant=SimpleNamespace(name=quantization),
        baseline=None if quantization == "float32" else "float32",
    )
    return Made(spec, RunRecord(key, key, "FINISHED", 0, 1, "", tags, {}, {}), validation)


def test_a_training_takes_part_once_however_often_it_was_calibrated():
    found = ensembles(
        [
            *(made(name, "float32", score) for name, score in (("best", 0.9), ("second", 0.8), ("third", 0.7))),
            *(made("best", "int8", 0.9, calibration) for calibration in (16, 32, 64)),
            *(made("second", "int8", 0.8, calibration) for calibration in (16, 32, 64)),
        ],
        EnsembleConfig(name="best", size=2),
    )
    assert {each.quantization: [member.spec.training.key for member in each.members] for each in found} == {
        "float32": ["best", "second"],
        "int8": ["best", "second"],
    }
    too_few = ensembles(
        [made("best", "float32", 0.9), *(made("best", "int8", 0.9, calibration) for calibration in (16, 32, 64))],
        EnsembleConfig(name="best", size=2),
    )
    assert too_few == []
