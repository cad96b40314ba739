"""Searches from the command line."""

import json

import pytest
from test_sweep import TINY, store_of

from segsweep.cli import main
from segsweep.report.comparison import comparison, find_sweep
from segsweep.tracking import names

pytestmark = pytest.mark.slow

SEARCH = ["run", "-m", *TINY, "hydra/sweeper=segsweep_optuna", "sweep.workers=2"]
GRID = "hydra.sweeper.sampler=grid"
AXES = ["model.width=2,3", "quantization=float32,int8,float16"]


def test_a_search_shares_trainings_and_goes_on_later(workplace, capfd):
    words = [*SEARCH, *AXES, "hydra.sweeper.objectives=[accuracy,size_bytes]", "hydra.sweeper.sampler=random"]
    assert main([*words, "sweep.max_trials=3"]) == 0
    store = store_of(workplace)
    assert len(store.of_kind(names.TRAINING)) <= 2
    first = {run.run_id for run in store.of_kind(names.VARIANT)}
    assert main([*words, "sweep.max_trials=6"]) == 0
    sweep = find_sweep(store, None)
    assert first <= {run.run_id for run in store.of_kind(names.VARIANT)}
    rows = comparison(store, sweep)
    assert set(rows["status"]) == {"FINISHED"}
    asked = json.loads(store.artifacts.read(sweep, names.TRIALS_FILE))["trials"]
    assert len(asked) == 6
    pareto = json.loads(store.artifacts.read(sweep, names.PARETO_FILE))
    assert pareto["objectives"] == {"accuracy": "maximize", "size_bytes": "minimize"}
    sizes = [each["values"]["size_bytes"] for each in pareto["best"]]
    assert min(sizes) == rows["size_bytes"].min(), "the smallest of all is beaten by none"
    assert "Pareto-optimal" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (AXES, "sweep.max_trials is not set"),
        (["sweep.max_trials=3"], "nothing to vary"),
        ([*AXES, "sweep.max_trials=3", "hydra.sweeper.sampler=best"], "hydra.sweeper.sampler=best"),
        ([*AXES, "sweep.max_trials=3", "hydra.sweeper.objectives=[speed]"], "speed is not a choice"),
        ([*AXES, "sweep.max_trials=3", "hydra.sweeper.constraints=['size<3']"], "size<3 cannot be read"),
        (
            ["training.learning_rate=interval(0.001,0.1)", "sweep.max_trials=3", "hydra.sweeper.sampler=grid"],
            "interval",
        ),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_done(workplace, capfd, words, message):
    assert main([*SEARCH, *words]) == 2
    assert message in capfd.readouterr().err
    assert not (workplace / "mlruns" / "mlflow.db").exists()


def test_a_plan_says_how_many_points_there_may_be(workplace, capfd):
    assert main(["plan", *SEARCH[1:], *AXES, "sweep.max_trials=9"]) == 0
    out = capfd.readouterr().out
    assert "up to 9 jobs" in out
    assert "jobs       2, 0 done" in out
    assert not (workplace / "mlruns" / "mlflow.db").exists()


def test_the_best_are_repeated_with_new_seeds(workplace):
    assert main(["run", "-m", *TINY, "model.width=2,3", "seed=0,1", "sweep.repeat_best=1"]) == 0
    rows = comparison(store_of(workplace), find_sweep(store_of(workplace), None))
    best = rows.sort_values("mean_iou", ascending=False)
    assert sorted(rows["seed"]) == [0, 0, 1, 1, 2, 3]
    assert len(best) == 6
    repeated = rows[rows["seed"] > 1]
    assert repeated["width"].nunique() == 1
