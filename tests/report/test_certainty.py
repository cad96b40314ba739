"""What is said about differences, from tables with known ones."""

import numpy as np
import pandas as pd
import pytest

from segsweep.report.certainty import findings, overall, verdicts

SETTINGS = ["data", "model", "width", "learning_rate", "seed", "quantization", "training_kind"]


def comparison_of(*rows, delta_mean_iou=None, gain_mean_iou=None) -> pd.DataFrame:
    """A table of (width, seed, variant, kind, mean IoU, difference); intervals by the variant's name."""
    records = [
        {
            **dict(zip(SETTINGS, ("npz", "unet", width, 0.01, seed, name, kind), strict=True)),
            "accuracy": score,
            "mean_iou": score,
            "delta_mean_iou": delta,
            "status": "FINISHED" if delta is not None else "FAILED",
            "run_id": f"{name}-{kind}-{width}-{seed}",
        }
        for width, seed, name, kind, score, delta in rows
    ]
    table = pd.DataFrame(records)
    table.attrs["delta_mean_iou"] = delta_mean_iou or {}
    table.attrs["gain_mean_iou"] = gain_mean_iou or {}
    return table


def test_a_single_seed_is_judged_by_the_interval_over_images():
    table = comparison_of(
        (8, 0, "float32", "float", 0.7, 0.0),
        (8, 0, "float16", "float", 0.70004, 0.00004),
        (8, 0, "dynamic_range", "float", 0.7, None),
        (8, 0, "weight_only_int8", "float", 0.701, 0.001),
        (8, 0, "int8", "float", 0.697, -0.003),
        (8, 0, "int16x8", "float", 0.71, 0.01),
        (8, 0, "qat_int8", "qat", 0.69, -0.01),
        delta_mean_iou={
            "float16-float-8-0": (0.00002, 0.00004),
            "weight_only_int8-float-8-0": (-0.002, 0.004),
            "int8-float-8-0": (-0.005, -0.001),
            "int16x8-float-8-0": (0.002, 0.018),
        },
    )
    assert verdicts(table) == [
        "float16 equals float32 to less than 0.01 points of mean IoU.",
        "weight_only_int8 is within noise of float32: +0.10 points of mean IoU (95 % interval -0.20 to +0.40).",
        "int8 loses 0.30 points of mean IoU against float32 (95 % interval -0.50 to -0.10).",
        "int16x8 gains 1.00 points of mean IoU against float32 (95 % interval +0.20 to +1.80).",
        "qat_int8 differs from float32 by -1.00 points of mean IoU; how sure that is was not measured.",
    ]
    assert [finding.verdict for finding in findings(table)] == ["equal", "noise", "loses", "gains", "unknown"]


def test_settings_are_said_where_they_vary():
    table = comparison_of(
        (8, 0, "float32", "float", 0.7, 0.0),
        (8, 0, "int8", "float", 0.69, -0.01),
        (16, 0, "float32", "float", 0.8, 0.0),
        (16, 0, "int8", "float", 0.80, 0.0),
        delta_mean_iou={"int8-float-8-0": (-0.02, -0.005), "int8-float-16-0": (-0.01, 0.01)},
    )
    assert verdicts(table)[0].startswith("int8 with width 8 loses 1.00 points")
    said = overall(table)
    assert said[0] == (
        "int8 loses against float32 beyond noise in 1 of 2 trainings (-1.00 points), "
        "is within noise of float32 in 1 of 2 trainings (0.00 points)."
    )
    assert "what other test images would change" in said[1]
    assert "by chance" not in said[1]


def test_many_comparisons_are_said_to_be_many():
    rows = [(width, 0, name, "float", 0.7, -0.001) for width in range(10) for name in ("int8", "float16")]
    ends = {f"{name}-float-{width}-0": (-0.002, 0.001) for width, _, name, *_ in rows}
    assert (
        "of 20 comparisons about 1 would look real by chance" in overall(comparison_of(*rows, delta_mean_iou=ends))[-1]
    )


def test_several_seeds_are_judged_by_their_spread():
    rows = [(8, seed, "float32", "float", 0.7, 0.0) for seed in range(4)]
    rows += [(8, seed, "int8", "float", 0.68, -0.02 + noise) for seed, noise in enumerate((0.0, 0.002, -0.002, 0.004))]
    rows += [(8, seed, "float16", "float", 0.7, noise) for seed, noise in enumerate((0.01, -0.012, 0.003, -0.005))]
    # What the images say of each training is not what is asked now.
    ends = {f"float16-float-8-{seed}": (0.001, 0.002) for seed in range(4)}
    int8, float16, caveat = overall(comparison_of(*rows, delta_mean_iou=ends))
    # By hand: t(3) at 97.5 % is 3.182; the standard deviation of the noise is 0.00258.
    half = 100 * 3.182 * np.std([0.0, 0.002, -0.002, 0.004], ddof=1) / 2
    assert int8.startswith("int8 loses 1.90 points of mean IoU against float32 on average of 4 seeds")
    assert f"95 % interval {-1.9 - half:+.2f} to {-1.9 + half:+.2f}" in int8
    assert "paired t-test p < 0.001" in int8
    assert float16.startswith("float16 is within noise of float32: -0.10 points")
    assert "all 2 comparisons together (Holm). So few seeds" in caveat


def test_what_many_comparisons_bring_by_chance_is_said():
    noise = (0.0, 0.004, -0.004, 0.002)
    rows = [
        (width, seed, "int8", "float", 0.7, (-0.006 if width == 0 else 0.0) + noise[seed] * (1 if seed else -1))
        for width in range(12)
        for seed in range(4)
    ]
    first = findings(comparison_of(*rows))[0]
    assert first.verdict == "loses"
    assert first.p_value < 0.05 < first.p_corrected
    assert first.sentence.endswith("which among so many comparisons may be chance.")


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ((-0.004, 0.008, "int8-finetune-8-0"), "is within noise of the int8 file of its control: +0.20 points"),
        ((0.001, 0.003, "int8-finetune-8-0"), "gains 0.20 points of mean IoU against the int8 file of its control"),
        ((0.001, 0.003, "another run"), "how sure that is was not measured"),
    ],
)
def test_quantization_aware_training_is_judged_by_its_control(ends, expected):
    table = comparison_of(
        (8, 0, "float32", "float", 0.7, 0.0),
        (8, 0, "qat_int8", "qat", 0.712, 0.012),
        (8, 0, "int8", "finetune", 0.71, 0.01),
        delta_mean_iou={"qat_int8-qat-8-0": (0.01, 0.014)},
        gain_mean_iou={"qat_int8-qat-8-0": ends},
    )
    said = [each for each in overall(table) if each.startswith("Quantization-aware training")]
    assert len(said) == 1
    assert expected in said[0]


def test_a_control_is_told_of_where_nothing_was_trained_quantization_aware():
    table = comparison_of(
        (8, 0, "float32", "float", 0.70, 0.0),
        (8, 0, "clustered_int8", "clustered", 0.69, -0.01),
        (8, 0, "int8", "finetune", 0.71, 0.01),
    )
    assert any(each.startswith("int8 of the float fine-tune") for each in overall(table))


def test_nothing_finished_says_nothing():
    assert overall(comparison_of((8, 0, "int8", "float", None, None))) == []


def test_several_files_of_one_training_are_not_taken_for_trainings():
    table = comparison_of(
        *((8, 0, name, "float", 0.7, delta) for name, delta in (("float32", 0.0), ("int8", -0.01), ("int8", -0.02)))
    )
    table.insert(table.columns.get_loc("training_kind"), "quantization.calibration.samples", [None, 8, 16])
    table["run_id"] = ["a", "b", "c"]
    table.attrs["delta_mean_iou"] = {"b": (-0.02, -0.005), "c": (-0.03, -0.015)}
    assert overall(table)[0] == "int8 loses against float32 beyond noise in all 2 settings (-2.00 to -1.00 points)."


def test_what_an_ensemble_gains_is_not_told_of_the_quantization():
    table = comparison_of(
        (8, 0, "float32", "float", 0.7, 0.0),
        (8, 0, "int8", "float", 0.69, -0.01),
        (8, 0, "float32", "ensemble", 0.73, 0.03),
        (8, 0, "int8", "ensemble", 0.72, 0.02),
        delta_mean_iou={
            "int8-float-8-0": (-0.012, -0.008),
            "float32-ensemble-8-0": (0.01, 0.05),
            "int8-ensemble-8-0": (0.01, 0.03),
        },
    )
    table.loc[table["training_kind"] == "ensemble", "model"] = "ensemble of 2"
    table.loc[table["training_kind"] == "ensemble", "width"] = np.nan
    assert overall(table)[:3] == [
        "int8 loses 1.00 points of mean IoU against float32 (95 % interval -1.20 to -0.80).",
        "float32 of the ensemble gains 3.00 points of mean IoU against float32 of its best member "
        "(95 % interval +1.00 to +5.00).",
        "int8 of the ensemble gains 2.00 points of mean IoU against float32 of its best member "
        "(95 % interval +1.00 to +3.00).",
    ]
