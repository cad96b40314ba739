"""Means, spreads and tests over seeds, against scipy, pandas and by hand."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import sem, t, ttest_rel

from segsweep.report.seeds import holm, seed_summary

SEEDS = (0, 1, 2, 3)
SETTINGS = ["data", "model", "width", "learning_rate", "seed", "quantization", "loss.focal.gamma"]
rng = np.random.default_rng(0)
FLOAT = rng.normal(0.7, 0.02, (2, len(SEEDS)))
INT8 = FLOAT - rng.normal(0.01, 0.004, FLOAT.shape)
QAT = FLOAT + rng.normal(0.0, 0.01, FLOAT.shape)
CONTROL = FLOAT + rng.normal(0.0, 0.01, FLOAT.shape)


def comparison_of(*parts: tuple[str, str, np.ndarray], status: str = "FINISHED") -> pd.DataFrame:
    """A table with a row for each variant, width and seed."""
    rows = [
        {
            **dict(zip(SETTINGS, ("npz", "unet", width, 0.01, seed, name, None), strict=True)),
            "training_kind": kind,
            "accuracy": scores[place, number] + 0.1,
            "mean_iou": scores[place, number],
            "delta_mean_iou": scores[place, number] - FLOAT[place, number],
            "status": status,
            "run_id": f"{name}-{kind}-{width}-{seed}",
        }
        for name, kind, scores in parts
        for place, width in enumerate((8, 16))
        for number, seed in enumerate(SEEDS)
    ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def summary() -> pd.DataFrame:
    parts = [
        ("float32", "float", FLOAT),
        ("int8", "float", INT8),
        ("qat_int8", "qat", QAT),
        ("float32", "finetune", CONTROL),
        ("int8", "finetune", CONTROL - 0.01),
    ]
    table = comparison_of(*parts)
    more = comparison_of(("float16", "float", FLOAT), status="FAILED")
    return seed_summary(pd.concat([table, more]))


def row(summary: pd.DataFrame, name: str, kind: str = "float", width: int = 16) -> pd.Series:
    chosen = (summary["quantization"] == name) & (summary["training_kind"] == kind) & (summary["width"] == width)
    return summary[chosen].squeeze()


def test_rows_that_differ_in_their_seed_alone_are_one(summary):
    assert len(summary) == 10
    assert "seed" not in summary
    assert set(summary["n_seeds"]) == {4}


def test_means_and_spreads(summary):
    found = row(summary, "int8")
    assert found["mean_iou_mean"] == pytest.approx(np.mean(INT8[1]))
    assert found["mean_iou_std"] == pytest.approx(np.std(INT8[1], ddof=1))
    assert found["accuracy_mean"] == pytest.approx(np.mean(INT8[1]) + 0.1)
    assert found["delta_mean_iou_std"] == pytest.approx(np.std(INT8[1] - FLOAT[1], ddof=1))


@pytest.mark.parametrize(("name", "kind", "scores"), [("int8", "float", INT8), ("qat_int8", "qat", QAT)])
def test_the_paired_test_is_scipys(summary, name, kind, scores):
    for place, width in enumerate((8, 16)):
        found = row(summary, name, kind, width)
        expected = ttest_rel(scores[place], FLOAT[place])
        assert found["p_value"] == pytest.approx(expected.pvalue)
        interval = expected.confidence_interval(0.95)
        assert found["delta_mean_iou_low"] == pytest.approx(interval.low)
        assert found["delta_mean_iou_high"] == pytest.approx(interval.high)


def test_the_interval_is_students(summary):
    differences = INT8[0] - FLOAT[0]
    low, high = t.interval(0.95, len(SEEDS) - 1, loc=differences.mean(), scale=sem(differences))
    found = row(summary, "int8", width=8)
    assert (found["delta_mean_iou_low"], found["delta_mean_iou_high"]) == pytest.approx((low, high))


def test_the_gain_is_against_the_int8_file_of_the_control(summary):
    found = row(summary, "qat_int8", "qat", 8)
    expected = ttest_rel(QAT[0], CONTROL[0] - 0.01)
    assert found["gain_mean_iou_mean"] == pytest.approx(np.mean(QAT[0] - CONTROL[0] + 0.01))
    assert found["gain_p_value"] == pytest.approx(expected.pvalue)
    assert summary.loc[summary["training_kind"] != "qat", "gain_p_value"].isna().all()


def test_the_baseline_is_not_tested_against_itself(summary):
    found = row(summary, "float32")
    assert found["delta_mean_iou_mean"] == 0
    assert np.isnan(found["p_value"])
    # Eight rows are tested, and two gains.
    assert summary["p_corrected"].notna().sum() == 8
    assert summary["gain_p_corrected"].notna().sum() == 2


def test_equal_for_every_seed_is_no_difference():
    summary = seed_summary(comparison_of(("float32", "float", FLOAT), ("float16", "float", FLOAT)))
    found = row(summary, "float16")
    assert (found["p_value"], found["delta_mean_iou_low"], found["delta_mean_iou_high"]) == (1, 0, 0)


def test_a_single_seed_has_no_spread_and_no_test():
    table = comparison_of(("float32", "float", FLOAT), ("int8", "float", INT8))
    found = row(seed_summary(table[table["seed"] == 2]), "int8")
    assert found["n_seeds"] == 1
    assert found["mean_iou_mean"] == INT8[1, 2]
    assert found[["mean_iou_std", "delta_mean_iou_low", "delta_mean_iou_high", "p_value"]].isna().all()


def test_nothing_finished_is_an_empty_summary():
    assert len(seed_summary(comparison_of(("int8", "float", INT8), status="FAILED"))) == 0


def test_holm_by_hand():
    # Holm (1979): 4 * 0.01, 3 * 0.015, then 2 * 0.02 which may not fall below the one before, 1 * 0.4.
    corrected = holm(pd.Series([0.02, np.nan, 0.01, 0.4, 0.015]))
    assert list(corrected.dropna()) == pytest.approx([0.045, 0.04, 0.4, 0.045])
    assert np.isnan(corrected[1])


def test_holm_is_bonferronis_closure():
    """Marcus, Peritz and Gabriel (1976): reject what every intersection of hypotheses with it rejects."""
    p_values = np.random.default_rng(1).random(6) ** 3
    closure = [
        max(
            min(1.0, len(some) * p_values[list(some)].min())
            for size in range(1, 7)
            for some in itertools.combinations(range(6), size)
            if index in some
        )
        for index in range(6)
    ]
    assert list(holm(pd.Series(p_values))) == pytest.approx(closure)
