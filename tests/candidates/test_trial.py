"""A candidate's scores, held against scikit-learn; what fails is a result; workers find what one process finds."""

import dataclasses
import os
from multiprocessing import parent_process

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from sklearn.metrics import accuracy_score, jaccard_score

from segsweep.candidates.trial import Candidate, Trial, make, try_candidate
from segsweep.candidates.trying import Trying
from segsweep.candidates.workers import ENDED_ITS_PROCESS, Workers
from segsweep.data.dataset import IGNORE
from segsweep.evaluation.bootstrap import paired_interval
from segsweep.evaluation.confusion import count_confusions, mean_ious
from segsweep.evaluation.file_answers import NOT_FINITE
from segsweep.quantization.layers import layers
from segsweep.quantization.recipe import LayerChoice, Recipe
from segsweep.tflite.flatbuffer import pack, unpack
from segsweep.tflite.interpreter import TFLiteModel

INT4 = Candidate(Recipe(default=LayerChoice("int4")))


def test_scores_are_those_of_scikit_learn_over_the_pixels_that_count(problem):
    trial = try_candidate(INT4, problem, 7)
    file = make(INT4, problem)
    predicted = TFLiteModel(file).predict(problem.images[:7])
    counted = problem.labels[:7] != IGNORE
    truth, answers = problem.labels[:7][counted], predicted[counted]
    assert trial.failure is None
    assert trial.size_bytes == len(file)
    assert trial.score("accuracy") == pytest.approx(accuracy_score(truth, answers))
    mean_iou = jaccard_score(truth, answers, labels=np.unique(truth), average="macro")
    assert trial.score("mean_iou") == pytest.approx(mean_iou)
    assert trial.agreement == pytest.approx(np.mean(problem.reference[:7][counted] == answers))
    exact, found = (
        count_confusions(problem.labels[:7], each, problem.classes) for each in (problem.reference[:7], predicted)
    )
    low = paired_interval(found, exact, mean_ious).low
    assert trial.lowest["mean_iou"] == pytest.approx(low)
    assert trial.largest_drop("mean_iou", try_candidate(Candidate(), problem, 7)) == pytest.approx(-low)


def test_the_float_file_agrees_with_itself(problem):
    trial = try_candidate(Candidate(), problem, 12)
    assert trial.agreement == 1
    assert trial.lowest == {"accuracy": 0, "mean_iou": 0}
    assert Trial.of(trial.as_dict()) == trial


def test_answers_that_are_not_finite_are_no_result(problem):
    content = unpack(problem.float_model)
    weights = [tensor for tensor in content.subgraphs[0].tensors if tensor.type == schema.TensorType.FLOAT32]
    stored = next(tensor for tensor in weights if content.buffers[tensor.buffer].data is not None)
    content.buffers[stored.buffer].data = np.full(stored.shape, np.nan, np.float32).view(np.uint8).ravel()
    broken = dataclasses.replace(problem, float_model=pack(content))
    trial = try_candidate(Candidate(), broken, 2)
    assert trial.failure == NOT_FINITE


def test_what_the_library_cannot_do_is_no_result(problem):
    trial = try_candidate(Candidate(Recipe({"no such": LayerChoice("int8")})), problem, 2)
    assert trial.failure is not None
    assert "no such" in trial.failure


class Deadly(Candidate):
    """Ends the process that would try it."""

    def __getattribute__(self, name):
        if name == "rounded" and parent_process() is not None:
            os._exit(9)
        return super().__getattribute__(name)


@pytest.mark.slow
def test_workers_find_what_one_process_finds_and_outlive_a_candidate_that_ends_one(problem):
    found = layers(problem.float_model)
    candidates = [INT4, Candidate(rounded=found[0].name), Deadly(), Candidate(Recipe({"no such": LayerChoice("int8")}))]
    with Workers(problem, 2) as workers:
        trials = dict(workers.trials([(each, 6) for each in candidates]))
    assert sorted(trials) == [0, 1, 2, 3]
    assert trials[2].failure == ENDED_ITS_PROCESS
    for index in (0, 1, 3):
        alone = try_candidate(candidates[index], problem, 6)
        assert dataclasses.replace(trials[index], seconds=0) == dataclasses.replace(alone, seconds=0)


@pytest.mark.slow
def test_nothing_is_tried_twice_or_after_the_time_is_over(problem):
    with Trying(problem, workers=1) as trying:
        first = trying.trials([INT4, INT4, Candidate()], 2)
        assert trying.made == 2
        assert trying.trials([Candidate(), INT4], 2) == [first[2], first[0]]
        assert trying.made == 2
        assert trying.trial(INT4, 3).images == 3
    with Trying(problem, workers=1, deadline=0) as trying:
        assert trying.trials([INT4], 2) == [None]
        assert trying.is_over


def test_keys_tell_candidates_images_and_problems_apart(problem):
    keys = {
        INT4.key(problem, 2),
        INT4.key(problem, 3),
        Candidate().key(problem, 2),
        Candidate(rounded="a").key(problem, 2),
        Candidate(rounded="a", bits=16).key(problem, 2),
        INT4.key(dataclasses.replace(problem, images=problem.images * 2), 2),
    }
    assert len(keys) == 6


def test_images_of_one_group_count_as_one(problem):
    groups = np.repeat(np.arange(7), 2)[:12]
    grouped = dataclasses.replace(problem, groups=groups)
    assert try_candidate(INT4, grouped, 12).lowest != try_candidate(INT4, problem, 12).lowest
    assert grouped.key != problem.key
    few = dataclasses.replace(problem, groups=np.arange(12) // 3)
    assert try_candidate(INT4, few, 12).lowest == {}
