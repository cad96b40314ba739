"""What quantization-aware training gained, from a table of rows."""

import numpy as np
import pandas as pd
import pytest

from segsweep.report.gain import quantization_aware_gain

RANGE = "quantization.calibration.range"


def table(rows: list[tuple]) -> pd.DataFrame:
    columns = ["width", RANGE, "quantization", "training_kind", "mean_iou"]
    found = pd.DataFrame(rows, columns=columns)
    return found.assign(status="FINISHED", run_id=[f"run{number}" for number in range(len(rows))])


def test_files_of_one_rule_for_ranges_are_compared():
    gains = quantization_aware_gain(
        table(
            [
                (8, np.nan, "float32", "float", 0.85),
                (8, "auto", "int8", "float", 0.81),
                (8, "min_max", "int8", "float", 0.78),
                (8, "auto", "qat_int8", "qat", 0.84),
                (8, "min_max", "qat_int8", "qat", 0.83),
                (8, np.nan, "float32", "finetune", 0.86),
                (8, "auto", "int8", "finetune", 0.82),
                (8, "min_max", "int8", "finetune", 0.79),
            ]
        )
    ).set_index(RANGE)
    assert gains.loc["auto", "gain"] == pytest.approx(0.02)
    assert gains.loc["min_max", "gain"] == pytest.approx(0.04)
    assert gains["int8"].tolist() == [0.81, 0.78]
    assert gains["finetune float32"].tolist() == [0.86, 0.86]


def test_in_older_stores_no_fine_tune_is_calibrated():
    gains = quantization_aware_gain(
        table(
            [
                (8, "min_max", "int8", "float", 0.81),
                (8, np.nan, "qat_int8", "qat", 0.84),
                (8, "min_max", "int8", "finetune", 0.82),
            ]
        )
    )
    assert gains["gain"].tolist() == [pytest.approx(0.02)]
