"""The statistics of the quality table, and that its results are kept whole."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

# Behind the installed packages, some of which are called as a benchmark is.
sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))

from quality_table import rows
from quality_table.aims import AIMS, Aim, below_better_rival, control_below_start, loss, marked
from quality_table.comparisons import SetRows, differences, holm, p_value
from quality_table.planning import plan_of
from quality_table.weight_sets import QUICKSTART, STANDINS, WeightSet, weight_sets

from segsweep.evaluation.bootstrap import mean_ious, paired_interval
from segsweep.evaluation.image_counts import ImageCounts


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        # R: p.adjust(p, "holm")
        ([0.01, 0.02, 0.03, 0.04, 0.05], [0.05, 0.08, 0.09, 0.09, 0.09]),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.5, 0.9], [1.0, 1.0]),
        ([], []),
    ],
)
def test_holm(p_values, adjusted) -> None:
    assert holm(p_values) == pytest.approx(adjusted)


def counts(errors: float, images: int = 24, seed: int = 0) -> ImageCounts:
    """Of two classes with 100 pixels each an image, of which a share is wrong, more in some images."""
    rng = np.random.default_rng(seed)
    wrong = rng.binomial(100, errors, (images, 2))
    found = np.empty((images, 2, 2), np.int64)
    found[:, 0, 0], found[:, 0, 1] = 100 - wrong[:, 0], wrong[:, 0]
    found[:, 1, 0], found[:, 1, 1] = wrong[:, 1], 100 - wrong[:, 1]
    return replace(ImageCounts.of(found), groups=np.arange(images))


def test_the_p_value_is_where_the_interval_ends_at_no_difference() -> None:
    one, other = counts(0.20), counts(0.22, seed=1)
    p = p_value(one, other)
    interval = paired_interval(one, other, mean_ious, groups=one.groups, level=1 - p)
    assert min(abs(interval.low), abs(interval.high)) == pytest.approx(0, abs=1e-9)


def entry(name: str, **scores: float) -> SetRows:
    """A set of weights whose rows have these shares of errors, on test and validation alike."""
    made = {
        row: rows.Row(row, "key", test=(found := counts(errors, seed=number)), validation=found)
        for number, (row, errors) in enumerate(scores.items())
    }
    return SetRows(WeightSet(name, STANDINS, ()), made)


def iou(set_rows: SetRows, row: str) -> float:
    """By hand: of symmetric errors in two classes."""
    total = set_rows.rows[row].test.total
    return float(np.mean(np.diag(total) / (total.sum(0) + total.sum(1) - np.diag(total))))


SETS = [
    entry("first", float32=0.10, int8=0.11, converter_int8=0.12, library_int8=0.13, qat_int8=0.05, control_int8=0.2),
    entry("second", float32=0.10, int8=0.30, converter_int8=0.10, library_int8=0.13, control_float32=0.2),
]


def test_losses_are_in_points_over_all_sets() -> None:
    lost = [100 * (iou(each, "float32") - iou(each, "int8")) for each in SETS]
    assert loss("int8", max)(SETS) == pytest.approx(max(lost))
    assert loss("int4", max)(SETS) is None


def test_the_better_rival_is_the_one_with_the_higher_average() -> None:
    means = {row: np.mean([iou(each, row) for each in SETS]) for row in ("int8", "converter_int8", "library_int8")}
    best = max(means["converter_int8"], means["library_int8"])
    assert below_better_rival(SETS) == pytest.approx(100 * (means["int8"] - best))


def test_marks_count_sets_beyond_noise() -> None:
    assert marked("qat_int8", "control_int8", 1, share=True)(SETS) == 100
    assert marked("qat_int8", "control_int8", -1)(SETS) == 0
    assert marked("int8", "float32", -1)(SETS) == 1
    (only,) = differences(SETS, "qat_int8", "control_int8")
    assert only.interval.low > 0


def test_a_set_with_few_groups_has_no_interval() -> None:
    found = counts(0.3, images=11)
    few = SetRows(
        WeightSet("few", STANDINS, ()), {each: rows.Row(each, "", test=found) for each in ("int8", "float32")}
    )
    (only,) = differences([few], "int8", "float32")
    assert (only.interval, only.p, only.sign) == (None, None, 0)


def test_the_control_is_looked_at_on_validation() -> None:
    fallen = 100 * (iou(SETS[1], "float32") - iou(SETS[1], "control_float32"))
    assert control_below_start(SETS) == pytest.approx(fallen)


def test_a_verdict_is_about_what_was_measured() -> None:
    aim = Aim("", lambda sets: None, "at most", 0.1, "points")
    assert [aim.verdict(value) for value in (0.1, 0.11, None)] == ["met", "**missed**", "not measured"]
    assert len({each.text for each in AIMS}) == len(AIMS)


def test_a_row_comes_back_as_it_was_kept_and_a_part_of_one_does_not(tmp_path) -> None:
    row = rows.Row("int8", "0123456789abcdef", facts={"size_bytes": 7}, test=counts(0.1), validation=counts(0.2))
    rows.save(row, tmp_path)
    found = rows.load("int8", row.key, tmp_path)
    assert found.facts == row.facts
    np.testing.assert_array_equal(found.test.total, row.test.total)
    np.testing.assert_array_equal(found.test.groups, row.test.groups)
    assert rows.load("int8", "another key", tmp_path) is None
    next(tmp_path.glob("*.json")).unlink()
    assert rows.load("int8", row.key, tmp_path) is None


def test_a_row_is_made_anew_when_its_settings_have_changed(tmp_path) -> None:
    def keys(rate: float) -> dict[str, str]:
        words = ("experiment=quickstart", "data.size=16", "data.train_images=8", f"training.learning_rate={rate}")
        return plan_of(WeightSet("small", QUICKSTART, words), tmp_path, None, f"sqlite:///{tmp_path}/store.db").keys

    assert keys(0.01) == keys(0.01)
    assert {"float32", "int8", "qat_int8", "control_int8", "stock_qat_mended"} < keys(0.01).keys()
    assert not set(keys(0.01).values()) & set(keys(0.003).values())
    assert not (tmp_path / "store.db").exists()


def test_the_sets_are_enough() -> None:
    sets = weight_sets(Path("real"))
    assert len({each.name for each in sets}) == len(sets) >= 12
    assert sum(each.is_depthwise for each in sets) >= 3
    assert sum(each.family == QUICKSTART and each.only is None for each in sets) == 4 * 3
    assert not [each for each in weight_sets(None) if any("{real}" in word for word in each.overrides)]
