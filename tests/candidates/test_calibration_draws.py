"""How much the draw matters: by hand, and measured on the small network."""

import io
import json
import time
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import small_source
from PIL import Image

from segsweep.candidates.draws.spread import VOTING_IMAGES, Drawn, Setting, Spread, measure, pairwise_disagreement
from segsweep.candidates.draws.table import spread_csv, spread_figure, spread_json, spread_text, verdict
from segsweep.candidates.trial import Candidate, Trial, make
from segsweep.candidates.trying import Trying
from segsweep.data.choosing_images import CHOICES
from segsweep.evaluation.bootstrap import Interval
from segsweep.quantization.post_training import calibrate
from segsweep.quantization.recipe import LayerChoice, Recipe
from segsweep.report.figures.rendering import render
from segsweep.tflite.interpreter import TFLiteModel

pytestmark = pytest.mark.usefixtures("one_thread")


def trial(right: int, agreement: float = 0.9) -> Trial:
    """Of 1000 pixels of two classes, so many right."""
    return Trial(4, 1000, agreement, ((right - 500, 0), (1000 - right, 500)), {}, 0.1)


def drawn(setting: Setting, *right: int, distinct: int | None = None) -> Drawn:
    return Drawn(setting, tuple(map(trial, right)), distinct or len(right), 0.01)


FEW, ALL = Setting("random", 8, "min_max"), Setting("random", 40, "min_max")


def spread_of(*each: Drawn) -> Spread:
    return Spread("int8", trial(910, 1.0), each, (), is_complete=True)


def test_votes_are_counted_by_pair():
    votes = np.random.default_rng(0).integers(0, 3, (7, 50))  # of 7 voters on 50 pixels
    counts = (votes[..., None] == np.arange(3)).sum(axis=0)
    pairs = [np.mean(one != other) for one, other in combinations(votes, 2)]
    assert pairwise_disagreement(counts) == pytest.approx(np.mean(pairs))
    assert pairwise_disagreement(np.array([[5, 0], [0, 5]])) == 0
    assert pairwise_disagreement(np.zeros((0, 2), int)) is None


def test_mean_and_deviation_by_hand():
    found = drawn(FEW, 880, 900, 920)
    np.testing.assert_allclose(found.scores("accuracy"), [0.88, 0.9, 0.92])
    assert found.deviation("accuracy") == pytest.approx(0.02)
    assert found.changed == pytest.approx(0.1)
    assert drawn(FEW, 900).deviation("accuracy") == 0
    text = spread_text(spread_of(found), "accuracy", None, 1)
    assert "| 0.9000 |" in text.replace("  ", "")
    assert "| 0.0200 |" in " ".join(text.split())
    assert "-0.0100" in text
    row = spread_csv(spread_of(found)).decode().splitlines()[1].split(",")
    assert row[:5] == ["random", "8", "min_max", "3", "3"]


@pytest.mark.parametrize(
    ("half", "said"), [(0.08, "less than"), (0.05, "about as much as"), (0.03, "about as much as"), (0.01, "more than")]
)
def test_the_draw_is_held_against_the_test_images(half, said):
    spread = spread_of(drawn(FEW, 880, 900, 920), drawn(ALL, 905, 905, 905, distinct=1))
    words = verdict(spread, "accuracy", Interval(-0.01, -0.01 - half, -0.01 + half), 48)
    # 1.96 times 0.02.
    assert "within ±0.0392" in words
    assert f"±{half:.4f}" in words
    assert "48 test images" in words
    assert f"the draw matters {said} which images are tested" in words
    assert (
        "The highest mean, 0.9050, has quantization.calibration.choice=random quantization.calibration.samples=40"
        in (words)
    )


def test_draws_that_are_all_the_same_say_nothing():
    assert "a single draw of its own" in verdict(spread_of(drawn(ALL, 905, 905, distinct=1)), "accuracy", None, 9)


def test_draws_are_made_as_a_job_makes_its_file_and_not_tried_twice():
    source = small_source.source_of()
    dataset = replace(source.dataset, validation=source.dataset.test)
    source = replace(source, dataset=dataset, calibration_images=dataset.train.images)
    settings = [FEW, ALL, Setting("farthest", 8, "percentile")]
    problem = source.problem()
    with Trying(problem, workers=1) as trying:
        found = measure(trying, source, settings, 3, "int8")
        made = trying.made
        assert made == 1 + 3 + 1 + 3, "float32, and each draw that differs; of 40 of 40 images there is one"
        again = measure(trying, source, settings, 3, "int8")
        assert trying.made == made
    assert again == found
    assert found.is_complete
    assert not found.failures
    few, whole, _ = found.drawn
    assert (few.distinct, whole.distinct) == (3, 1)
    assert whole.deviation("accuracy") == 0
    assert whole.unstable == 0
    # The same by the job's own steps.
    files = []
    for seed in range(3):
        rows = CHOICES["random"](source.dataset.train, 8, seed)
        calibration = calibrate(source.float_model, source.dataset.train.images[rows])
        recipe = Recipe(default=LayerChoice("int8"))
        files.append(make(Candidate(recipe, calibration=calibration), problem))
    predicted = [TFLiteModel(file).predict(problem.images) for file in files]
    np.testing.assert_allclose(
        few.scores("accuracy"), [np.mean(each == problem.labels) for each in predicted], atol=1e-3
    )
    assert len(problem.images) <= VOTING_IMAGES
    differing = [np.mean(one != other) for one, other in combinations(predicted, 2)]
    assert few.unstable == pytest.approx(np.mean(differing), abs=1e-3)
    kept = json.loads(spread_json(found, {"accuracy": None, "mean_iou": Interval(0.0, -0.01, 0.01)}))
    assert kept["test_interval"] == {"accuracy": None, "mean_iou": [-0.01, 0.01]}
    assert [len(each["accuracy_by_draw"]) for each in kept["settings"]] == [3, 3, 3]
    Image.open(io.BytesIO(render(spread_figure(found, "accuracy"), "png", dots=50))).verify()


def test_without_time_there_is_no_result_and_what_is_missing_is_said():
    source = small_source.source_of()
    problem = source.problem()
    with Trying(problem, workers=1, deadline=time.monotonic()) as trying:
        assert measure(trying, source, [FEW], 3, "int8") is None
    with Trying(problem, workers=1) as trying:
        trying.trials([Candidate()], len(problem.images))
        # The time is over after the first draw.
        trials = trying.trials

        def once(candidates, images):
            found = trials(candidates, images)
            if candidates != [Candidate()]:
                trying._deadline = 0.0
            return found

        trying.trials = once
        found = measure(trying, source, [FEW, ALL], 3, "int8")
    assert not found.is_complete
    assert [len(each.trials) for each in found.drawn] == [1, 1]
    assert "The time was over" in spread_text(found, "accuracy", None, 1)


def test_another_calibration_is_another_candidate_and_none_changes_no_key():
    source = small_source.source_of()
    problem = source.problem()
    plain, other = Candidate(), Candidate(calibration=problem.calibration)
    assert plain.key(problem, 4) != other.key(problem, 4)
    wider = replace(problem.calibration, ranges={n: (2 * a, 2 * b) for n, (a, b) in problem.calibration.ranges.items()})
    assert other.key(problem, 4) != Candidate(calibration=wider).key(problem, 4)
