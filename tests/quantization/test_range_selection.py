"""Which file is selected, on made-up answers; no file is run."""

from dataclasses import dataclass

import numpy as np
import pytest

from segsweep.data.dataset import IGNORE
from segsweep.errors import ModelError
from segsweep.evaluation.confusion import count_confusions
from segsweep.evaluation.file_answers import FileAnswers
from segsweep.quantization import range_selection
from segsweep.quantization.range_selection import Candidate, SelectionImages, select, trials_csv

PIXELS = 100


@dataclass(frozen=True)
class Answers:
    """Of a file: how many pixels of each image are wrong, and how many are other than in float32."""

    wrong: tuple[int, ...]
    other: int


def images(count: int, groups=None, *, labelled: bool = True) -> SelectionImages:
    truth = np.zeros((count, 1, PIXELS), np.uint8)
    truth[..., ::2] = 1
    return SelectionImages(
        images=np.zeros((count, 1, PIXELS, 1), np.float32),
        labels=truth if labelled else np.full_like(truth, IGNORE),
        reference=truth,
        classes=2,
        groups=np.arange(count) if groups is None else np.array(groups),
        metric="mean_iou",
    )


@pytest.fixture
def answering(monkeypatch):
    """What the files answer, by their content."""
    known: dict[bytes, Answers] = {}
    runs = []

    def answer(content, inputs, labels, reference, classes):
        runs.append(content)
        given = known[content]
        predicted = reference.copy()
        for image, wrong in enumerate(given.wrong):
            predicted[image, :, :wrong] = 1 - predicted[image, :, :wrong]
        counts = count_confusions(labels, predicted, classes)
        return FileAnswers(counts, reference.size - given.other, 0, reference.size)

    monkeypatch.setattr(range_selection, "file_answers", answer)

    def candidates(*answers: Answers) -> list[Candidate]:
        contents = [repr(each).encode() for each in answers]
        known.update(zip(contents, answers, strict=True))
        return [Candidate((str(place),), lambda content=content: content) for place, content in enumerate(contents)]

    candidates.runs = runs
    return candidates


def test_of_those_that_cannot_be_told_from_the_best_the_one_most_like_float32_is_taken(answering):
    best = Answers((2, 3, 4, 2, 3, 4, 2, 3), other=9)
    alike = Answers((2, 3, 4, 2, 3, 4, 9, 3), other=5)
    worse = Answers((9, 9, 9, 9, 9, 9, 9, 9), other=1)
    found = select(answering(worse, best, alike), images(8))
    assert found.place == 2
    scores = [trial.score for trial in found.trials]
    assert scores[1] == max(scores)
    against = [trial.against_best for trial in found.trials]
    assert against[0].high < 0
    assert against[1].difference == 0
    assert against[2].low < 0 < against[2].high


def test_with_few_groups_nothing_can_be_told_apart(answering):
    best, like_float = Answers((0,) * 8, other=9), Answers((30,) * 8, other=1)
    assert select(answering(best, like_float), images(8)).place == 0
    found = select(answering(best, like_float), images(8, groups=[0, 0, 1, 1, 2, 3, 4, 4]))
    assert found.place == 1
    assert found.trials[0].against_best is None


def test_without_labels_agreement_decides(answering):
    found = select(answering(Answers((0,) * 8, 9), Answers((30,) * 8, 1)), images(8, labelled=False))
    assert found.place == 1
    assert np.isnan(found.taken.score)


def test_on_ties_the_first_is_taken_and_equal_files_run_once(answering):
    same = Answers((1,) * 8, 3)
    found = select(answering(same, same, Answers((1,) * 8, 3)), images(8))
    assert found.place == 0
    assert len(answering.runs) == 1
    assert [trial.candidate.labels for trial in found.trials] == [("0",), ("1",), ("2",)]


def test_a_file_that_cannot_be_made_is_left_out_and_none_at_all_is_an_error(answering):
    def fails():
        raise ModelError("it cannot be made")

    broken = Candidate(("broken",), fails)
    (works,) = answering(Answers((1,) * 8, 3))
    found = select([broken, works], images(8))
    assert found.place == 1
    assert found.trials[0].failure == "it cannot be made"
    table = trials_csv(found, ("rule",), "mean_iou").decode().splitlines()
    assert table[0] == "rule,validation_mean_iou,against_best,low,high,agreement,taken,failure"
    assert table[1] == "broken,,,,,,false,it cannot be made"
    assert table[2].startswith("0,0.98")
    assert table[2].endswith(",true,")
    with pytest.raises(ModelError, match="cannot be made"):
        select([broken], images(8))
