"""Sweeps with teachers, from the command line to the report."""

import numpy as np
import pytest

from segsweep.cli import main
from segsweep.report.comparison import compare, find_sweep
from segsweep.report.gain import quantization_aware_gain
from segsweep.tracking import names
from segsweep.tracking.store import Store

pytestmark = pytest.mark.slow

WORDS = [
    *("data.size=16", "data.train_images=8", "data.validation_images=4", "data.test_images=8"),
    *("model.depth=1", "training.epochs=2", "training.batch_size=4", "sweep.workers=1"),
    "evaluation.latency.enabled=false",
]


def opened() -> Store:
    return Store.open_to_read("sqlite:///mlruns/mlflow.db", "segsweep")


def test_the_widest_teaches_the_others_and_a_run_of_it_another_sweep(workplace, capsys):
    sweep = ["-m", *WORDS, "model.width=2,3,6", "training.teacher=null,widest"]
    assert main(["plan", *sweep]) == 0
    said = capsys.readouterr().out
    assert "jobs       5, 0 done, 1 equal ones merged" in said
    assert "trainings  5 float trainings, 0 done" in said
    assert "teacher    strided_unet w6 lr0.001 float teaches 2 trainings" in said
    assert main(["run", *sweep]) == 0
    assert "training.teacher" in capsys.readouterr().out
    store = opened()
    found = compare(store, find_sweep(store, None))
    of_each = found.table.groupby(["width", "training.teacher"], dropna=False).size()
    assert list(of_each) == [1] * 5
    trainings = {run.run_id: run for run in store.of_kind(names.TRAINING)}
    assert len(trainings) == 5
    (teacher,) = [run for run in trainings.values() if run.params["model.width"] == "6"]
    students = [run for run in trainings.values() if names.TEACHER_KEY in run.tags]
    assert {run.tags[names.TEACHER_KEY] for run in students} == {teacher.tags[names.TRAINING_KEY]}
    assert len(students) == 2
    for run in students:
        assert run.started_ms >= teacher.ended_ms
        assert run.params["training.teacher_width"] == "6"
        assert teacher.run_id in run.tags[names.NOTE]
        assert store.history(run.run_id, "train/divergence")
        # Nothing of the teacher is in what was trained.
        with np.load(store.artifacts.path(run, names.WEIGHTS_FILE)) as weights:
            (untaught,) = [
                each for each in trainings.values()
                if each.params["model.width"] == run.params["model.width"] and each is not run
            ]  # fmt: skip
            with np.load(store.artifacts.path(untaught, names.WEIGHTS_FILE)) as others:
                assert [(name, weights[name].shape) for name in weights.files] == [
                    (name, others[name].shape) for name in others.files
                ]
    assert main(["plan", *sweep]) == 0
    assert "Nothing to do" in capsys.readouterr().out

    variant = next(run for run in found.runs.values() if run.params["model.width"] == "6")
    for word in (teacher.run_id[:12], variant.run_id):
        assert main(["run", *WORDS, "model.width=4", f"training.teacher={word}"]) == 0
    ours = [run for run in store.of_kind(names.TRAINING) if run.params["model.width"] == "4"]
    assert len(ours) == 1, "the same teacher by another of its runs"
    assert ours[0].params["training.teacher"] == teacher.run_id
    assert ours[0].tags[names.TEACHER_KEY] == teacher.tags[names.TRAINING_KEY]

    capsys.readouterr()
    for words, complaint in (
        (["training.teacher=nothing"], "training.teacher=nothing: RUN nothing: no training or variant"),
        ([f"training.teacher={teacher.run_id}", "model.width=6"], "it is the same training as the one that it is to"),
        ([f"training.teacher={teacher.run_id}", "data.size=17", "model=pixel_mlp"], "multiples of 2, and these are 17"),
        (["training.teacher=widest", "model.width=6"], "the sweep has no other model.width"),
        (["training.teacher_weight=-1"], "training.teacher_weight=-1.0 is out of range"),
    ):
        assert main(["run", *WORDS, *words]) == 2
        assert complaint in capsys.readouterr().err
    random = np.random.default_rng(0)
    np.savez("other.npz", X=random.random((9, 16, 16, 3)), Y=random.integers(0, 2, (9, 16, 16)))
    other = [*WORDS[4:], "data=npz", "data.train=other.npz", "data.classes=[a,b]"]
    assert main(["run", *other, f"training.teacher={teacher.run_id}"]) == 2
    assert "it was trained with another classes (other, cultivated where these are a, b)" in capsys.readouterr().err


def test_the_gain_of_a_taught_fine_tune_has_two_parts(workplace, capsys):
    words = [*WORDS, "model.width=3", "quantization=qat_int8", "quantization.epochs=1", "quantization.distillation=2"]
    assert main(["run", *words]) == 0
    said = capsys.readouterr().out
    store = opened()
    found = compare(store, find_sweep(store, None))
    table = found.table
    assert table["status"].eq("FINISHED").all()
    kinds = table[["training_kind", "quantization", "quantization.distillation"]].fillna(-1).to_numpy().tolist()
    assert sorted(map(tuple, kinds)) == [
        ("finetune", "float32", 0.0), ("finetune", "float32", 2.0), ("finetune", "int8", 0.0),
        ("finetune", "int8", 2.0), ("float", "float32", -1.0), ("qat", "qat_int8", 2.0),
    ]  # fmt: skip
    runs = {
        (run.tags[names.TRAINING_KIND], run.params["quantization.distillation"]): run
        for run in found.runs.values()
        if run.params["quantization.name"] in ("int8", "qat_int8")
    }
    qat, control, taught = runs["qat", "2.0"], runs["finetune", "0.0"], runs["finetune", "2.0"]
    assert qat.tags[names.GAIN_AGAINST] == taught.tags[names.GAIN_AGAINST] == control.run_id
    assert qat.tags[names.TAUGHT_GAIN_AGAINST] == taught.run_id
    assert names.GAIN_AGAINST not in control.tags
    scores = {run.run_id: run.metrics[names.MEAN_IOU] for run in (qat, control, taught)}
    (gain,) = quantization_aware_gain(table).to_dict("records")
    assert gain["by_teaching"] == pytest.approx(scores[taught.run_id] - scores[control.run_id])
    assert gain["by_quantization"] == pytest.approx(scores[qat.run_id] - scores[taught.run_id])
    assert gain["by_teaching"] + gain["by_quantization"] == pytest.approx(gain["gain"])
    assert taught.metrics[names.GAIN_MEAN_IOU] == pytest.approx(gain["by_teaching"], abs=1e-9)
    assert qat.metrics[names.TAUGHT_GAIN_MEAN_IOU] == pytest.approx(gain["by_quantization"], abs=1e-9)
    assert "Of what quantization-aware training with a teacher gained" in said
    assert "due to teaching" in said
    float_key = next(run for run in store.of_kind(names.TRAINING) if run.tags[names.TRAINING_KIND] == "float").tags[
        names.TRAINING_KEY
    ]
    teachers = {
        (run.tags[names.TRAINING_KIND], run.tags.get(names.TEACHER_KEY)) for run in store.of_kind(names.TRAINING)
    }
    assert teachers == {("float", None), ("qat", float_key), ("finetune", None), ("finetune", float_key)}
