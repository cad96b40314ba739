"""A sweep over rounds of pseudo-labels: what is logged of them."""

import numpy as np
import pytest

from segsweep.cli import main
from segsweep.report.comparison import compare, find_sweep
from segsweep.tracking import names
from segsweep.tracking.store import Store

pytestmark = pytest.mark.slow

WORDS = [
    *("data.size=16", "data.train_images=8", "data.validation_images=4", "data.test_images=4", "data.points=2"),
    *("model.width=4", "model.depth=1", "training.epochs=2", "training.batch_size=4", "sweep.workers=1"),
    *("training.pseudo_labels.images=training", "training.pseudo_labels.threshold=0.5"),
    "evaluation.latency.enabled=false",
]


def test_rounds_are_an_axis(workplace):
    rounds = ["training.pseudo_labels.rounds=0,2", "training.pseudo_labels.start=anew"]
    assert main(["run", "-m", *WORDS, *rounds]) == 0
    store = Store.open_to_read("sqlite:///mlruns/mlflow.db", "segsweep")
    table = compare(store, find_sweep(store, None)).table
    assert list(table["training.pseudo_labels.rounds"]) == [0, 2]
    assert list(table["status"]) == ["FINISHED"] * 2

    trainings = sorted(store.of_kind(names.TRAINING), key=lambda run: run.started_ms)
    assert len(trainings) == 3
    assert [run.tags.get(names.TEACHER_KEY) for run in trainings] == [
        None,
        *(run.tags[names.TRAINING_KEY] for run in trainings[:2]),
    ]
    for run in trainings[1:]:
        # Of two classes, one always has a probability of 0.5.
        assert run.metrics[names.PSEUDO_SHARE] == 1
        assert 0 < run.metrics[names.PSEUDO_ACCURACY] < 1
        assert store.artifacts.required(run, names.PSEUDO_LABELS_FILE).startswith(b"\x89PNG")
        shares = [run.metrics[name] for name in names.class_metrics(names.PSEUDO_SHARE, ["other", "cultivated"])]
        np.testing.assert_allclose(sum(shares), 1)
    assert names.PSEUDO_SHARE not in trainings[0].metrics


def test_a_round_of_a_job_goes_on_from_its_teacher(workplace):
    assert main(["run", *WORDS, "training.pseudo_labels.rounds=1"]) == 0
    store = Store.open_to_read("sqlite:///mlruns/mlflow.db", "segsweep")
    teacher, student = sorted(store.of_kind(names.TRAINING), key=lambda run: run.started_ms)
    assert student.tags[names.TEACHER_KEY] == teacher.tags[names.TRAINING_KEY]
    # It starts where the teacher ended, and not anew.
    (_, first), *_ = store.history(student.run_id, "val/loss")
    (_, begun), *_ = store.history(teacher.run_id, "val/loss")
    assert abs(first - teacher.metrics["best/val_loss"]) < abs(begun - first) + 0.05


def test_images_without_masks_are_labelled(workplace, capsys):
    random = np.random.default_rng(0)
    labels = np.repeat(random.integers(0, 2, (20, 16, 1)), 16, axis=2)
    images = labels[..., None] + 0.1 * random.random((20, 16, 16, 3))
    np.savez("train.npz", X=images[:12], Y=labels[:12])
    np.savez("more.npz", X=images[12:])
    words = ["data=npz", "data.train=train.npz", "data.unlabelled=more.npz", *WORDS[5:]]
    words += ["training.pseudo_labels.images=unlabelled", "training.pseudo_labels.rounds=1"]
    assert main(["run", *words]) == 0
    store = Store.open_to_read("sqlite:///mlruns/mlflow.db", "segsweep")
    _, student = sorted(store.of_kind(names.TRAINING), key=lambda run: run.started_ms)
    assert student.metrics[names.PSEUDO_SHARE] == 1
    assert names.PSEUDO_ACCURACY not in student.metrics, "nobody knows their truth"
    assert store.artifacts.required(student, names.PSEUDO_LABELS_FILE).startswith(b"\x89PNG")

    np.savez("all.npz", X=images)
    assert main(["run", *words, "data.unlabelled=all.npz"]) == 2
    assert "of the 2 validation images of data=npz are there too and would be trained on" in capsys.readouterr().err


def test_the_run_says_what_is_missing(workplace, capsys):
    assert main(["run", *[word for word in WORDS if "points" not in word], "training.pseudo_labels.rounds=1"]) == 2
    assert "every training pixel has a label" in capsys.readouterr().err
