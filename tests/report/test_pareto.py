"""The variants that no other beats, against Optuna's own front and by hand."""

import numpy as np
import optuna
import pandas as pd

from segsweep.report.pareto import pareto_optimal


def table(accuracy, size, status="FINISHED", kind="float") -> pd.DataFrame:
    return pd.DataFrame(
        {"validation_accuracy": accuracy, "size_bytes": size, "status": status, "training_kind": kind}, dtype=object
    )


def test_by_hand():
    rows = table([0.9, 0.8, 0.8, 0.7, 0.9], [100, 50, 60, 50, 100])
    assert list(pareto_optimal(rows, ["accuracy", "size_bytes"])) == [True, True, False, False, True]


def test_equals_optunas_front():
    rng = np.random.default_rng(0)
    rows = table(rng.random(60).round(2), rng.integers(1, 50, 60))
    study = optuna.create_study(directions=["maximize", "minimize"])
    for accuracy, size in zip(rows["validation_accuracy"], rows["size_bytes"], strict=True):
        study.add_trial(optuna.trial.create_trial(values=[accuracy, float(size)]))
    ours = pareto_optimal(rows, ["accuracy", "size_bytes"])
    assert {trial.number for trial in study.best_trials} == set(rows.index[ours])


def test_controls_failures_and_missing_numbers_are_out():
    rows = table([0.9, 0.95, 0.99, None], [10, 10, 10, 1])
    rows["status"] = ["FINISHED", "FINISHED", "FAILED", "FINISHED"]
    rows["training_kind"] = ["float", "finetune", "float", "float"]
    assert list(pareto_optimal(rows, ["accuracy", "size_bytes"])) == [True, False, False, False]


def test_the_validation_split_chooses_unless_the_test_split_is_asked_for():
    rows = table([0.9, 0.8], [100, 100]).assign(accuracy=[0.7, 0.8])
    assert list(pareto_optimal(rows, ["accuracy", "size_bytes"])) == [True, False]
    assert list(pareto_optimal(rows, ["test_accuracy", "size_bytes"])) == [False, True]


def test_scores_on_different_validation_images_are_not_compared():
    rows = table([0.9, 0.8], [100, 100]).assign(accuracy=[0.9, 0.8], run_id=["a", "b"])
    rows.attrs["validation_data"] = {"a": "one", "b": "other"}
    assert list(pareto_optimal(rows, ["accuracy", "size_bytes"])) == [True, True]
    assert list(pareto_optimal(rows, ["test_accuracy", "size_bytes"])) == [True, False]
