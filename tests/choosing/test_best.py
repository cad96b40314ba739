"""Which variant `segsweep best` chooses, and what it says where none fits or the store is not as it should be."""

import mlflow
import numpy as np
import pytest
from small_store import Row, counts, store_with

from segsweep.cli import main
from segsweep.evaluation.confusion import mean_ious, scores
from segsweep.evaluation.score_interval import score_interval
from segsweep.tracking import names


@pytest.fixture
def best(workplace, capsys):
    """Runs the verb in a folder; gives exit status, standard output and standard error."""

    def run(*options):
        status = main(["best", *options])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture(scope="module")
def two_widths(tmp_path_factory):
    """Two trainings, the larger one better beyond doubt, and an int8 file of each; the store's address and run ids."""
    return store_with(
        tmp_path_factory.mktemp("two"),
        Row("float32", counts(0.90), 400_000, 4.0, width=16),
        Row("int8", counts(0.8999, seed=1, noise=0.004), 120_000, 2.0, width=16, baseline="float32 w16"),
        Row("float32", counts(0.80), 100_000, 1.0),
        Row("int8", counts(0.78), 30_000, 0.5, baseline="float32 w8"),
    )


@pytest.fixture
def of_two(two_widths, best):
    """Runs the verb on them."""
    return lambda *options: best("--tracking-uri", two_widths[0], *options)


def test_of_those_within_noise_of_the_best_the_smallest_is_chosen(two_widths, of_two):
    _, ids = two_widths
    status, out, _ = of_two()
    assert status == 0
    assert out.startswith("unet w16 int8\n")
    assert ids["int8 w16"] in out
    assert "within noise" in out
    assert "a processor" in out
    assert "Runner-up: unet w16 float32" in out


def test_a_larger_file_that_is_better_beyond_noise_is_chosen(workplace, best):
    store_with(workplace, Row("float32", counts(0.90), 400_000), Row("int8", counts(0.85), 100_000))
    status, out, _ = best()
    assert (status, out.splitlines()[0]) == (0, "unet w8 float32")
    assert "no smaller file is within noise" in out
    assert "Runner-up: unet w8 int8" in out


@pytest.mark.parametrize(
    ("options", "winner"),
    [
        (["--max-size", "110KiB"], "unet w8 float32"),
        (["--max-size", "30KB"], "unet w8 int8"),
        (["--max-latency", "0.6ms"], "unet w8 int8"),
        (["--max-latency", "1s"], "unet w16 int8"),
        (["--max-size", "110KiB", "--max-drop", "0.001"], "unet w8 float32"),
        (["--max-size", "110KiB", "--max-drop", "5%"], "unet w8 float32"),
        (["--where", "width=8", "--max-latency", "600us"], "unet w8 int8"),
        (["--metric", "accuracy", "--max-size", "110KiB"], "unet w8 float32"),
        (["--metric", "mean_dice"], "unet w16 int8"),
    ],
)
def test_wishes_are_kept(of_two, options, winner):
    status, out, err = of_two(*options)
    assert (status, out.splitlines()[0]) == (0, winner), err


def test_a_drop_is_against_the_float32_file_of_the_same_training(of_two):
    # The small int8 file is 3 points below its own float32 file, and far more below the large one.
    status, out, _ = of_two("--where", "quantization=int8", "--where", "width=8", "--max-drop", "5%")
    assert (status, out.splitlines()[0]) == (0, "unet w8 int8")
    assert "below the float32 file of the same training" in out
    status, _, err = of_two("--where", "quantization=int8", "--where", "width=8", "--max-drop", "1%")
    assert status == 2
    assert "drop 0.0" in err


def test_impossible_wishes_name_the_nearest_and_what_each_misses(of_two):
    status, out, err = of_two("--max-size", "20KiB", "--max-latency", "0.4ms")
    assert status == 2
    assert err.count("\n") == 1
    assert err.startswith("segsweep: error: sweep ")
    assert "--max-size 20KiB" in err
    assert "unet w8 int8" in err
    nearest = out.splitlines()
    assert nearest[0].startswith("No variant has size at most 20.0 KiB, latency at most 0.4 ms")
    assert nearest[1].strip().startswith("unet w8 int8: validation mean IoU")
    assert "size 29.3 KiB, 9.3 KiB too much" in nearest[1]
    assert "latency 0.5 ms, 0.1 ms too much" in nearest[1]
    assert "The least size of all is 29.3 KiB: unet w8 int8." in out


def test_wishes_that_are_only_too_much_together_say_what_each_costs(of_two):
    status, out, _ = of_two("--max-size", "40KiB", "--max-drop", "0.001")
    assert status == 2
    assert "Without --max-size 40KiB: unet w16 int8" in out
    assert "Without --max-drop 0.001: unet w8 int8" in out
    assert "The least" not in out


def test_controls_take_part_only_when_asked_but_are_told_of(workplace, best):
    _, ids = store_with(
        workplace,
        Row("float32", counts(0.85), 400_000),
        Row("int8", counts(0.80), 100_000, baseline="float32 w8"),
        Row("float32", counts(0.90), 400_000, kind="finetune", baseline="float32 w8"),
    )
    status, out, err = best()
    assert (status, out.splitlines()[0]) == (0, "unet w8 float32")
    assert "--controls" in err
    _, out, err = best("--controls")
    assert ids["float32 control w8"] in out
    assert "+0.0774 against float32 of the same training" in out
    assert "--controls" not in err


def test_what_failed_or_has_no_latency_takes_no_part_where_it_matters(workplace, best):
    store_with(
        workplace,
        Row("float32", counts(0.9), 400_000, None),
        Row("int8", counts(0.8), 100_000, baseline="float32 w8"),
        Row("qat_int8", None, 0, kind="qat"),
    )
    _, out, err = best()
    assert out.startswith("unet w8 float32\n")
    assert "latency    not measured" in out
    assert "1 of 3 variants are not finished" in err
    _, out, _ = best("--max-latency", "5ms")
    assert out.startswith("unet w8 int8\n")


def test_a_run_that_was_deleted_is_not_chosen(workplace, best):
    uri, ids = store_with(
        workplace, Row("float32", counts(0.9), 400_000), Row("int8", counts(0.8), 100_000, baseline="float32 w8")
    )
    mlflow.MlflowClient(tracking_uri=uri).delete_run(ids["float32 w8"])
    status, out, err = best()
    assert (status, out.splitlines()[0]) == (0, "unet w8 int8")
    assert "1 of 2 variants are not finished" in err


def test_only_failures_are_an_error_that_says_where_to_look(workplace, best):
    store_with(workplace, Row("float32", None, 0))
    status, out, err = best()
    assert (status, out) == (2, "")
    assert "none of its 1 variants is finished" in err
    assert "segsweep report --sweep" in err


def test_scores_on_different_images_are_not_compared(workplace, best):
    harder = counts(0.9)
    harder[:, 0] += 7
    store_with(
        workplace,
        Row("float32", counts(0.9), 400_000),
        Row("int8", harder, 100_000, data="roads", baseline="float32 w8"),
    )
    status, _, err = best()
    assert status == 2
    assert "different validation images (data: fields, roads)" in err
    status, out, _ = best("--where", "data=roads")
    assert (status, out.splitlines()[0]) == (0, "unet w8 int8")


def test_without_counts_only_equal_scores_are_ties(workplace, best):
    store_with(
        workplace,
        Row("float32", counts(0.9), 400_000, confusions=False),
        Row("float16", counts(0.9), 200_000, confusions=False, baseline="float32 w8"),
        Row("int8", counts(0.8999), 100_000, confusions=False, baseline="float32 w8"),
    )
    _, out, _ = best()
    assert out.startswith("unet w8 float16\n")
    assert "it has the highest mean IoU; whether smaller files are worse is not known." in out
    assert "within noise" not in out


@pytest.mark.parametrize(
    "options",
    [
        ["--max-size", "300"],
        ["--max-drop", "2"],
        ["--register", "a/b"],
        ["--metric", "loss"],
        ["--where", "width"],
        ["--where", "nothing=1"],
        ["--sweep", "zzz"],
    ],
)
def test_wrong_options_are_one_line(of_two, options):
    status, out, err = of_two(*options)
    assert (status, out) == (2, "")
    assert err.startswith("segsweep: error: ")
    assert err.count("\n") == 1


def test_wrong_units_are_told_before_the_store_is_looked_for(workplace, best):
    status, _, err = best("--max-size", "300")
    assert status == 2
    assert "--max-size 300" in err


@pytest.fixture
def split_decision(tmp_path):
    """Two files of equal size: one is better on the validation images, the other on the test images."""
    return store_with(
        tmp_path,
        Row("float32", counts(0.90), 100_000, validation=counts(0.80)),
        Row("int8", counts(0.80), 100_000, validation=counts(0.90), baseline="float32 w8"),
    )


def test_the_test_images_never_choose(best, split_decision):
    uri, _ = split_decision
    status, out, err = best("--tracking-uri", uri)
    assert (status, out.splitlines()[0]) == (0, "unet w8 int8")
    expected = {score: scores(counts(share)).mean_iou for score, share in (("validation", 0.90), ("test", 0.80))}
    assert f"validation mean IoU {expected['validation']:.4f}, +" in out
    interval = score_interval(counts(0.80), mean_ious)
    assert f"test       mean IoU {expected['test']:.4f} (95 % {interval.low:.4f} to {interval.high:.4f})" in out
    assert "Why: chosen by validation mean IoU: it has the highest mean IoU, and no smaller file" in out
    assert "Runner-up: unet w8 float32: validation mean IoU" in out
    assert "(Intervals: 95 %, of 40 validation images;" in out
    assert err == ""


def test_the_old_way_must_be_asked_for_and_is_remarked_on(best, split_decision):
    uri, _ = split_decision
    status, out, err = best("--tracking-uri", uri, "--choose-on", "test")
    assert (status, out.splitlines()[0]) == (0, "unet w8 float32")
    assert "Why: chosen by test mean IoU" in out
    assert "chosen by test scores: the test score of what was chosen is too good by chance" in err
    interval = score_interval(counts(0.90), mean_ious)
    assert f"(95 % {interval.low:.4f} to {interval.high:.4f})" in out


def test_a_drop_is_that_of_the_validation(best, split_decision):
    uri, _ = split_decision
    status, out, _ = best("--tracking-uri", uri, "--where", "quantization=int8", "--max-drop", "0.001")
    assert (status, out.splitlines()[0]) == (0, "unet w8 int8")
    options = ("--where", "quantization=int8", "--max-drop", "0.001", "--choose-on", "test")
    assert best("--tracking-uri", uri, *options)[0] == 2


def test_a_store_of_an_older_version_is_refused_in_one_line(workplace, best):
    rows = Row("float32", counts(0.9), 400_000, has_validation=False), Row("int8", None, 0)
    store_with(workplace, *rows)
    status, out, err = best()
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "its 1 variant has no validation scores, which versions before 0.2 did not log; run the sweep again" in err
    assert "or choose by the test scores with --choose-on test" in err
    status, out, _ = best("--choose-on", "test")
    assert status == 0
    assert "95 %" not in out, "nobody knows which of its rows are patches of one image"


def test_variants_of_an_older_version_take_no_part(workplace, best):
    store_with(
        workplace,
        Row("float32", counts(0.9), 400_000, has_validation=False),
        Row("int8", counts(0.8), 100_000, baseline="float32 w8"),
    )
    _, out, err = best()
    assert out.startswith("unet w8 int8\n")
    assert "1 variant has no validation scores and took no part" in err
    assert "no validation scores" not in best("--where", "quantization=int8")[2]


def test_a_choice_that_is_a_toss_up_says_so(workplace, best):
    store_with(
        workplace,
        Row("float32", counts(0.8), 400_000),
        Row("float16", counts(0.8, seed=1, noise=0.01), 400_000, baseline="float32 w8"),
        Row("int8", counts(0.8, seed=2, noise=0.01), 400_000, baseline="float32 w8"),
        Row("int16x8", counts(0.6), 400_000, baseline="float32 w8"),
    )
    _, out, _ = best()
    assert "3 of 4 variants, the best among them, cannot be told apart on 40 validation images." in out


def test_on_too_few_independent_images_the_highest_score_wins_and_nothing_is_told_apart(workplace, best):
    few = [counts(share, images=5) for share in (0.90, 0.89)]
    store_with(
        workplace, Row("float32", few[0], 400_000), Row("int8", few[1], 100_000, baseline="float32 w8"), groups=5
    )
    _, out, _ = best()
    assert out.startswith("unet w8 float32\n")
    assert (
        "whether smaller files are worse is not known: 40 validation images (5 independent groups) are too few" in out
    )
    assert "2 of 2 variants, the best among them, cannot be told apart on 40 validation images (5 independent" in out
    assert "95 %" not in out


@pytest.mark.parametrize(("of_group", "told_apart"), [(8, False), (5, True)])
def test_images_of_one_group_are_no_independent_images(workplace, best, of_group, told_apart):
    """40 images in 5 groups are too few; in 8 they are enough."""
    groups = np.arange(40) // of_group
    store_with(
        workplace,
        Row("float32", counts(0.90), 400_000, groups=groups),
        Row("int8", counts(0.85), 100_000, groups=groups, baseline="float32 w8"),
        groups=len(set(groups)),
    )
    _, out, _ = best()
    assert out.startswith("unet w8 float32\n")
    assert ("and no smaller file is within noise of it" in out) == told_apart
    assert ("95 %" in out) == told_apart


def test_a_drop_is_known_after_its_baseline_was_made_again(workplace, best):
    """The variants of a deleted baseline still name its run."""
    uri, ids = store_with(
        workplace, Row("float32", counts(0.90), 400_000), Row("int8", counts(0.89), 100_000, baseline="float32 w8")
    )
    client = mlflow.MlflowClient(tracking_uri=uri)
    client.set_tag(ids["int8 w8"], names.BASELINE_RUN_ID, "a run that was deleted")
    status, out, _ = best("--max-drop", "0.05", "--max-size", "200KB")
    assert (status, out.splitlines()[0]) == (0, "unet w8 int8")
    assert "against float32 of the same training" in out
