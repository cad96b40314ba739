"""The search on its own: known functions stand in for trainings."""

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from small_jobs import dataset, job, split

from segsweep.config.training_schema import TrainingConfig
from segsweep.errors import ConfigError
from segsweep.lineage.jobs import lineage
from segsweep.sweep import optuna_search
from segsweep.sweep.objectives import constraint, objectives
from segsweep.sweep.optuna_search import OptunaSearch, SearchSettings
from segsweep.sweep.points import Point
from segsweep.sweep.search import Result
from segsweep.tracking import names
from segsweep.tracking.store import Store

RATE = "training.learning_rate"


@pytest.fixture(autouse=True)
def data(monkeypatch):
    made = dataset()
    monkeypatch.setattr(optuna_search, "load_dataset", lambda config: made)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store.open(f"sqlite:///{tmp_path}/mlflow.db", "e")


def settings(**changes) -> SearchSettings:
    values = {
        "space": {RATE: FloatDistribution(1e-4, 1e-1, log=True)},
        "fixed": (),
        "objectives": objectives(["accuracy"]),
        "constraints": (),
        "sampler": "tpe",
        "pruner": "none",
        "seed": 0,
        "batch": 2,
    }
    return SearchSettings(**{**values, **changes})


def compose(overrides) -> Point:
    rate = float(next(word for word in overrides if RATE in word).partition("=")[2])
    return Point(tuple(overrides), job("float32", training=TrainingConfig(learning_rate=rate)))


def score(rate: float) -> float:
    """Best at 0.01."""
    return 1 - abs(np.log10(rate) + 2) / 4


def search(store: Store, search_settings: SearchSettings, trials: int, *, fails=lambda rate: False) -> OptunaSearch:
    """Run a whole search; every point's run is logged with the score of its rate."""
    made = OptunaSearch(search_settings, compose, trials)
    made.remember(store)
    sweep_id = store.create_run(names.SWEEP, "sweep", parent=None, tags={}, params={})
    made.begin(store, sweep_id)
    made.tried = []
    while points := made.ask():
        results = []
        for point in points:
            rate = point.config.training.learning_rate
            made.tried.append(rate)
            key = lineage(point.config, dataset()).asked.evaluation_key
            if fails(rate):
                results.append(Result(point, None, None, "ValueError: no"))
                continue
            tags = {names.EVALUATION_KEY: key}
            with store.run(names.VARIANT, "v", parent=None, tags=tags, params={}) as run_id:
                size = 1000 * rate
                store.log(
                    run_id,
                    metrics={
                        names.VALIDATION_ACCURACY: score(rate),
                        names.SIZE_BYTES: size,
                        names.VALIDATION_MEAN_IOU: 0.5,
                    },
                )
                store.add_artifacts(run_id, {names.MODEL_FILE: b"x"})
            results.append(Result(point, None, store.get(run_id), None))
        made.tell(results)
    store.add_artifacts(sweep_id, made.summary())
    store.finish(sweep_id, "FINISHED")
    return made


def best(made: OptunaSearch) -> float:
    return max(map(score, made.tried))


def test_tpe_finds_the_optimum_better_than_chance(store):
    assert best(search(store, settings(), 30)) > 0.97


def test_as_many_points_as_asked_for_in_batches(store):
    made = search(store, settings(batch=3), 7)
    assert len(made.tried) == 7


def test_the_same_seed_proposes_the_same_first_points(tmp_path):
    tried = [search(Store.open(f"sqlite:///{tmp_path}/{n}.db", "e"), settings(), 4).tried for n in range(2)]
    assert tried[0] == tried[1]
    other = search(Store.open(f"sqlite:///{tmp_path}/3.db", "e"), settings(seed=1), 4).tried
    assert other != tried[0]


def test_a_second_sweep_goes_on_where_the_first_ended(store):
    first = search(store, settings(), 4)
    second = search(store, settings(), 10)
    assert second.tried[:4] == first.tried, "what is known is listed, and so found in the store"
    assert len(set(second.tried)) == 10, "no point is proposed twice"
    assert len(second._study.trials) == 10


def test_another_question_is_another_study(store):
    search(store, settings(), 4)
    made = search(store, settings(objectives=objectives(["mean_iou"])), 4)
    assert len(made.tried) == 4


def test_points_whose_runs_were_deleted_are_not_known_any_more(store):
    search(store, settings(), 4)
    for run in store.of_kind(names.VARIANT):
        store._client.delete_run(run.run_id)
    assert len(search(store, settings(), 4).tried) == 4


def test_failed_trials_are_told_as_failed(store):
    made = search(store, settings(), 6, fails=lambda rate: rate > 0.003)
    states = [trial.state.name for trial in made._study.trials]
    assert {"FAIL", "COMPLETE"} == set(states)
    assert all(trial.values is None for trial in made._study.trials if trial.state.name == "FAIL")


def test_what_failed_or_was_not_begun_is_open_the_next_time(store):
    first = search(store, settings(), 4, fails=lambda rate: True)
    assert len(first.tried) == 4
    second = search(store, settings(), 4)
    assert len(second.tried) == 4
    assert {trial.state.name for trial in second._study.trials} == {"COMPLETE"}


def test_other_data_make_other_points(store, monkeypatch):
    search(store, settings(), 4)
    changed = dataset(train=split(9))
    monkeypatch.setattr(optuna_search, "load_dataset", lambda config: changed)
    made = OptunaSearch(settings(), compose, 4)
    made.remember(store)
    assert made._earlier == []


def test_a_corner_that_no_network_fits_into_is_a_failed_trial(store):
    def picky(overrides):
        point = compose(overrides)
        if point.config.training.learning_rate > 0.01:
            raise ConfigError("training.learning_rate is out of range")
        return point

    made = OptunaSearch(settings(batch=20), picky, 20)
    made.begin(store, store.create_run(names.SWEEP, "s", parent=None, tags={}, params={}))
    points = made.ask()
    states = [trial.state.name for trial in made._study.trials]
    assert states.count("FAIL") + len(points) == 20
    assert 0 < len(points) < 20


def test_several_objectives_give_their_pareto_set(store):
    made = search(store, settings(objectives=objectives(["accuracy", "size_bytes"]), sampler="nsga2"), 30)
    front = made._study.best_trials
    # Beyond 0.01 both get worse, so nothing there is optimal.
    assert all(trial.params[RATE] <= 0.0101 or trial.values[0] == best(made) for trial in front)
    assert len(front) > 3


def test_bounds_are_kept_by_the_best(store):
    bound = constraint("size_bytes<=2")
    made = search(store, settings(constraints=(bound,)), 25)
    (chosen,) = made._study.best_trials[:1]
    assert chosen.params[RATE] <= 0.002
    assert sum(rate <= 0.002 for rate in made.tried) > 12, "it looks where the bound is kept"


def test_a_grid_tries_each_value_once_in_an_order_of_its_seed(store):
    space = {RATE: CategoricalDistribution(["0.001", "0.01", "0.1"])}
    made = search(store, settings(space=space, sampler="grid"), 9)
    assert sorted(made.tried) == [0.001, 0.01, 0.1]


def test_a_grid_needs_lists(store):
    with pytest.raises(ConfigError, match="interval"):
        search(store, settings(sampler="grid"), 3)


class Finished:
    metrics = {names.VALIDATION_ACCURACY: 0.8}


def test_hopeless_trainings_are_found_by_epoch(store):
    made = OptunaSearch(settings(pruner="median", batch=1), compose, 20)
    made.remember(store)
    made.begin(store, store.create_run(names.SWEEP, "s", parent=None, tags={}, params={}))
    pruned = []
    for number in range(8):
        (point,) = made.ask()
        key = lineage(point.config, dataset()).trainings[0].key
        level = 0.1 if number == 7 else 0.8
        hopeless = [made.report(key, epoch, level) for epoch in range(1, 8)]
        pruned.append(any(hopeless))
        made.tell([Result(point, None, Finished(), None)])
    assert pruned == [False] * 7 + [True]


def test_several_objectives_cannot_prune():
    with pytest.raises(ConfigError, match="pruner"):
        OptunaSearch(settings(objectives=objectives(["accuracy", "size_bytes"]), pruner="median"), compose, 3)
