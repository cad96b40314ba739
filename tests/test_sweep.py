"""A whole sweep on tiny data: what it logs, what it shares, and what a second one does again."""

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, jaccard_score
from swept_folder import swept_folder

from segsweep.cli import main
from segsweep.config.data_schema import SyntheticParcelsConfig
from segsweep.data.sources import load_dataset
from segsweep.quantization.range_rules import RangeChoice
from segsweep.report.comparison import COLUMNS, comparison, find_sweep
from segsweep.sweep import engine
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.tflite.metadata import read
from segsweep.tracking import names
from segsweep.tracking.store import Store

pytestmark = pytest.mark.slow

DATA = {"size": 32, "train_images": 12, "validation_images": 4, "test_images": 6}
TINY = [
    *(f"data.{name}={value}" for name, value in DATA.items()),
    *("model.depth=1", "model.width=3", "training.epochs=2", "training.batch_size=4", "quantization.epochs=1"),
    "quantization.correction=none",
    *("evaluation.latency.runs=5", "hydra/launcher=basic"),
]
WITH_RANGES = (*COLUMNS[:-5], "range", *COLUMNS[-5:])
ALL = "float32,float16,dynamic_range,weight_only_int8,int8,int16x8,qat_int8"


def store_of(folder: Path) -> Store:
    return Store.open_to_read(f"sqlite:///{folder}/mlruns/mlflow.db", "segsweep")


def counts_of(store: Store) -> dict[str, int]:
    return {kind: len(store.of_kind(kind)) for kind in ("sweep", "training", "variant", "reference")}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A folder with a finished sweep of 2 learning rates and all 7 variants."""
    words = [*TINY, "training.learning_rate=0.001,0.01", f"quantization={ALL}"]
    return swept_folder(tmp_path_factory.mktemp("sweep with ümlaut"), *words)


@pytest.fixture
def inside(swept, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(swept)
    return swept


def test_each_training_is_made_once(inside):
    store = store_of(inside)
    trainings = store.of_kind("training")
    assert len(trainings) == len({run.tags["segsweep.training_key"] for run in trainings}) == 6
    assert (
        sorted(run.tags["segsweep.training_kind"] for run in trainings)
        == ["finetune"] * 2 + ["float"] * 2 + ["qat"] * 2
    )
    assert len(store.of_kind("variant")) == 18


def test_runs_hang_under_what_they_descend_from(inside):
    store = store_of(inside)
    sweep = find_sweep(store, None)
    by_id = {run.run_id: run for run in [*store.of_kind("training"), *store.of_kind("variant"), sweep]}
    for run in by_id.values():
        if run.kind == "sweep":
            continue
        parent = by_id[run.tags["mlflow.parentRunId"]]
        assert run.status == "FINISHED"
        assert run.tags["segsweep.sweep_id"] == sweep.run_id
        if run.kind == "variant":
            assert parent.kind == "training"
            assert parent.tags["segsweep.training_key"] == run.tags["segsweep.training_key"]
        elif run.tags["segsweep.training_kind"] == "float":
            assert parent.kind == "sweep"
        else:
            assert parent.tags["segsweep.training_key"] == run.tags["segsweep.parent_training_key"]
            assert parent.tags["segsweep.training_kind"] == "float"


def test_a_variant_run_has_all_that_is_promised(inside):
    store = store_of(inside)
    for run in store.of_kind("variant"):
        assert {"segsweep.variant_key", "segsweep.evaluation_key", "segsweep.baseline_run_id"} <= set(run.tags)
        assert {"model.width", "training.learning_rate", "quantization.name", "data.name", "seed"} <= set(run.params)
        assert run.params["model.width"] == "3"
        assert {
            *("test/accuracy", "test/mean_iou", "test/mean_dice", "test/iou_other", "test/iou_cultivated"),
            *("test/mean_precision", "test/mean_recall", "test/boundary_iou", "test/boundary_iou_other"),
            *("test/precision_other", "test/recall_cultivated", "test/dice_cultivated"),
            *("delta/accuracy", "delta/mean_iou", "agreement/float32", "model/size_bytes", "model/gzip_bytes"),
            *("latency/p50_ms", "latency/p95_ms", "time/train_s", "time/export_s", "time/evaluate_s"),
            *("memory/peak_bytes", "memory/arena_bytes", "model/macs"),
        } <= set(run.metrics)
        for path in (
            *("model/model.tflite", "evaluation/confusion.npz", "config/config.yaml"),
            *("evaluation/samples.npz", "evaluation/gallery.png"),
        ):
            assert store.artifacts.path(run, path) is not None
        assert len(store.artifacts.read(run, "model/model.tflite")) == run.metrics["model/size_bytes"]


def test_a_training_run_has_its_epochs_and_weights(inside):
    store = store_of(inside)
    for run in store.of_kind("training"):
        epochs = 2 if run.tags["segsweep.training_kind"] == "float" else 1
        for metric in ("train/loss", "val/loss", "val/mean_iou", "val/mean_dice", "val/iou_cultivated"):
            assert [step for step, _ in store.history(run.run_id, metric)] == list(range(1, epochs + 1))
        folder = store.artifacts.path(run, "weights/weights.npz").parent
        assert list(folder.iterdir())
        assert store.artifacts.path(run, "config/config.yaml") is not None


def test_quantization_aware_training_says_what_it_gained(inside):
    store = store_of(inside)
    variants = {
        (run.tags["segsweep.training_key"], run.params["quantization.name"]): run for run in store.of_kind("variant")
    }
    trainings = store.of_kind("training")
    of = {(run.tags.get("segsweep.parent_training_key"), run.tags["segsweep.training_kind"]): run for run in trainings}
    for (parent, kind), training in of.items():
        if kind != "qat":
            continue
        qat = variants[training.tags["segsweep.training_key"], "qat_int8"]
        control = variants[of[parent, "finetune"].tags["segsweep.training_key"], "int8"]
        assert qat.tags["segsweep.gain_against"] == control.run_id
        gain = qat.metrics["test/mean_iou"] - control.metrics["test/mean_iou"]
        assert qat.metrics["gain/mean_iou"] == pytest.approx(gain, abs=1e-12)
        assert qat.metrics["gain/mean_iou_low"] <= gain <= qat.metrics["gain/mean_iou_high"]
        assert qat.metrics["gain/accuracy_low"] <= qat.metrics["gain/accuracy"] <= qat.metrics["gain/accuracy_high"]


def test_scores_are_those_of_the_exported_file(inside):
    """The file is run here, image by image, and scored by scikit-learn."""
    store = store_of(inside)
    dataset = load_dataset(SyntheticParcelsConfig(**DATA))
    images, labels = dataset.test.read(np.arange(len(dataset.test)))
    for run in store.of_kind("variant"):
        content = store.artifacts.read(run, "model/model.tflite")
        described = read(content)
        normalized = (images - np.array(described.mean, np.float32)) / np.array(described.std, np.float32)
        predicted = TFLiteModel(content).predict(normalized.astype(np.float32))
        assert run.metrics["test/accuracy"] == pytest.approx(
            accuracy_score(labels.ravel(), predicted.ravel()), abs=2e-4
        )
        expected = jaccard_score(labels.ravel(), predicted.ravel(), average=None, labels=[0, 1])
        assert run.metrics["test/iou_cultivated"] == pytest.approx(expected[1], abs=4e-4)
        with np.load(io.BytesIO(store.artifacts.read(run, "evaluation/confusion.npz"))) as arrays:
            counts = arrays["counts"]
        assert counts.dtype == np.int64
        assert counts.shape == (6, 2, 2)
        np.testing.assert_allclose(
            counts.sum(axis=0), confusion_matrix(labels.ravel(), predicted.ravel(), labels=[0, 1]), atol=3
        )


def test_deltas_are_against_the_float32_file_of_the_same_float_training(inside):
    store = store_of(inside)
    by_id = {run.run_id: run for run in store.of_kind("variant")}
    for run in by_id.values():
        baseline = by_id[run.tags["segsweep.baseline_run_id"]]
        assert baseline.params["quantization.name"] == "float32"
        assert baseline.tags["segsweep.training_kind"] == "float"
        assert baseline.params["training.learning_rate"] == run.params["training.learning_rate"]
        for name in ("accuracy", "mean_iou"):
            expected = run.metrics[f"test/{name}"] - baseline.metrics[f"test/{name}"]
            assert run.metrics[f"delta/{name}"] == pytest.approx(expected, abs=1e-12)


def test_the_file_alone_says_what_it_is(inside):
    store = store_of(inside)
    for run in store.of_kind("variant"):
        described = read(store.artifacts.read(run, "model/model.tflite"))
        assert described.classes == ("other", "cultivated")
        assert len(described.bands) == len(described.mean) == 12
        assert described.quantization == run.params["quantization.name"]
        assert described.training_key == run.tags["segsweep.training_key"]


def test_the_references_of_the_data_are_there_once_and_every_variant_is_compared_with_them(inside):
    store = store_of(inside)
    sweep = find_sweep(store, None)
    linear, commonest = store.of_kind("reference")
    assert (commonest.name, linear.name) == ("always the commonest class", "a linear classifier of single pixels")
    dataset = load_dataset(SyntheticParcelsConfig(**DATA))
    commonest_label = np.bincount(dataset.train.labels.reshape(-1)).argmax()
    assert commonest.metrics["test/accuracy"] == pytest.approx(np.mean(dataset.test.labels == commonest_label))
    assert json.loads(sweep.tags["segsweep.references"]) == [
        run.tags["segsweep.reference_key"] for run in (commonest, linear)
    ]
    for run in (commonest, linear):
        assert run.tags["mlflow.parentRunId"] == sweep.run_id
        for variant in store.of_kind("variant"):
            stem = f"against/{run.tags['segsweep.reference']}"
            for score in ("accuracy", "mean_iou"):
                difference = variant.metrics[f"test/{score}"] - run.metrics[f"test/{score}"]
                assert variant.metrics[f"{stem}_{score}"] == pytest.approx(difference, abs=1e-12)
                ends = [variant.metrics[f"{stem}_{score}_{end}"] for end in ("low", "high")]
                assert ends[0] <= difference <= ends[1]
    assert b"For comparison: always the commonest class: accuracy" in store.artifacts.read(sweep, "sweep/comparison.md")


def test_calibration_uses_training_images_only_and_says_which(inside):
    store = store_of(inside)
    for run in store.of_kind("variant"):
        indices = json.loads(store.artifacts.read(run, "model/calibration.json"))["training_images"]
        if run.params["quantization.name"] in ("int8", "int16x8") or names.KEEPS_START in run.tags:
            assert indices == list(range(12))
        else:
            assert indices == []


def test_what_was_tried_for_the_ranges_and_what_was_taken_is_kept(inside):
    store = store_of(inside)
    taken = {}
    for run in store.of_kind("variant"):
        table = store.artifacts.read(run, "model/range_trials.csv")
        name = run.params["quantization.name"]
        if names.KEEPS_START in run.tags:  # the int8 file of the float training
            continue
        taken[name] = run.tags.get("segsweep.ranges")
        assert (table is not None) == (name == "int8")
        if table is not None:
            rows = list(csv.DictReader(io.StringIO(table.decode())))
            (best,) = (row for row in rows if row["taken"] == "true")
            assert RangeChoice(best["input"], best["activations"]) == RangeChoice.parse(taken[name])
            # The validation split is small enough that the trial is of all of it.
            assert float(best["validation_mean_iou"]) == pytest.approx(run.metrics["validation/mean_iou"], abs=1e-6)
            if run.tags["segsweep.training_kind"] == "float":  # else the run is compared with another float32 file
                assert float(best["agreement"]) == pytest.approx(run.metrics["validation/agreement"], abs=1e-6)
    assert taken["int16x8"] == "min_max"
    assert taken["float32"] is taken.get("qat_int8") is None


def test_the_comparison_has_a_row_for_each_variant(inside, capsys):
    store = store_of(inside)
    table = comparison(store, find_sweep(store, None))
    assert tuple(table.columns) == WITH_RANGES
    assert len(table) == 18
    assert (table["training_kind"] == "finetune").sum() == 4
    assert set(table["status"]) == {"FINISHED"}
    assert not table.drop(columns=["run_id", "range"]).isna().to_numpy().any()
    assert (
        {"int8", "int16x8"} <= set(table.loc[table["range"].notna(), "quantization"]) <= {"int8", "int16x8", "qat_int8"}
    )
    baseline = table[(table["quantization"] == "float32") & (table["training_kind"] == "float")]
    assert (baseline["size_ratio"] == 1).all()
    assert (table[table["quantization"] == "int8"]["size_ratio"] < 1).all()

    assert main(["report", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["run_id"] for row in rows] == list(table["run_id"])
    assert main(["report", "--format", "csv", "--output", "table.csv"]) == 0
    assert Path("table.csv").read_text().splitlines()[0] == ",".join(WITH_RANGES)
    assert main(["report", "--format", "csv", "--output", "table.csv"]) == 2
    assert main(["report"]) == 0
    assert "What quantization-aware training gained" in capsys.readouterr().out


def test_the_sweeps_run_ends_with_the_table(inside):
    store = store_of(inside)
    sweep = find_sweep(store, None)
    assert sweep.status == "FINISHED"
    members = json.loads(store.artifacts.read(sweep, "sweep/members.json"))["members"]
    assert len(members) == 18
    assert b"qat_int8" in store.artifacts.read(sweep, "sweep/comparison.md")


def test_a_repeated_sweep_makes_nothing_and_is_as_complete(inside, capfd):
    before = counts_of(store_of(inside))
    last = find_sweep(store_of(inside), None)
    expected = comparison(store_of(inside), last)
    assert main(["run", "-m", *TINY, "training.learning_rate=0.001,0.01", f"quantization={ALL}"]) == 0
    store = store_of(inside)
    assert counts_of(store) == {**before, "sweep": before["sweep"] + 1}
    again = comparison(store, find_sweep(store, None))
    assert find_sweep(store, None).run_id != last.run_id
    assert again.equals(expected)
    assert "0.001" in capfd.readouterr().out


def test_a_wider_grid_makes_only_what_is_new(inside):
    before = counts_of(store_of(inside))
    assert main(["run", "-m", *TINY, "training.learning_rate=0.001,0.01,0.02", "quantization=float32,int8"]) == 0
    after = counts_of(store_of(inside))
    assert after["training"] == before["training"] + 1
    assert after["variant"] == before["variant"] + 2


def test_settings_that_do_not_bear_on_it_make_nothing_new(inside):
    before = counts_of(store_of(inside))
    unused = ["training.momentum=0.5", "quantization.epochs=3", "evaluation.batch_size=1"]
    assert main(["run", *TINY, *unused, "quantization=int8"]) == 0
    after = counts_of(store_of(inside))
    assert (after["training"], after["variant"]) == (before["training"], before["variant"])


def test_another_calibration_shares_the_training(inside):
    before = counts_of(store_of(inside))
    axes = ["quantization=int8", "quantization.calibration.samples=4,6"]
    assert main(["run", "-m", *TINY, *axes]) == 0
    store = store_of(inside)
    assert counts_of(store)["training"] == before["training"]
    assert counts_of(store)["variant"] == before["variant"] + 2
    table = comparison(store, find_sweep(store, None))
    assert list(table["quantization.calibration.samples"].dropna()) == [4, 6]
    for samples in (4, 6):
        run = next(
            run for run in store.of_kind("variant") if run.params["quantization.calibration.samples"] == str(samples)
        )
        assert len(json.loads(store.artifacts.read(run, "model/calibration.json"))["training_images"]) == samples


def test_another_test_split_scores_the_same_file_again(inside):
    store = store_of(inside)
    before = counts_of(store)
    other = [word.replace("test_images=6", "test_images=5") for word in TINY]
    assert main(["run", *other, "quantization=int8"]) == 0
    assert counts_of(store)["training"] == before["training"]
    newest, *older = [run for run in store.of_kind("variant") if run.params["quantization.name"] == "int8"]
    known = next(run for run in older if run.tags["segsweep.variant_key"] == newest.tags["segsweep.variant_key"])
    assert newest.tags["segsweep.evaluation_key"] != known.tags["segsweep.evaluation_key"]
    for path in ("model/model.tflite", "model/range_trials.csv"):
        assert newest.sha256[path] == known.sha256[path]
    assert newest.tags["segsweep.ranges"] == known.tags["segsweep.ranges"]


def test_a_damaged_file_is_noticed_and_made_again(inside):
    store = store_of(inside)
    table = comparison(store, find_sweep(store, None))
    run = store.get(table[table["quantization"] == "int8"]["run_id"].iloc[0])
    path = store.artifacts.path(run, "model/model.tflite")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    before = counts_of(store)
    rerun = [*TINY, *(f"{key}={run.params[key]}" for key in ("training.learning_rate", "data.test_images"))]
    samples = f"quantization.calibration.samples={run.params['quantization.calibration.samples']}"
    assert main(["run", *rerun, "quantization=int8", samples]) == 0
    after = counts_of(store)
    assert (after["training"], after["variant"]) == (before["training"], before["variant"] + 1)
    assert path.read_bytes() == bytes(content), "nothing in the store is overwritten"
    assert store.of_kind("variant")[0].sha256["model/model.tflite"] == run.sha256["model/model.tflite"]


def test_a_store_that_was_moved_with_its_folder_still_reports(inside, tmp_path, capsys):
    shutil.copytree(inside / "mlruns", tmp_path / "mlruns")
    store = store_of(tmp_path)
    for run in store.of_kind("variant"):
        found = store.artifacts.path(run, "model/model.tflite")
        assert found is not None
    hidden = inside / "mlruns-away"
    (inside / "mlruns").rename(hidden)
    try:
        assert main(["report", "--tracking-uri", f"sqlite:///{tmp_path}/mlruns/mlflow.db"]) == 0
        assert "int8" in capsys.readouterr().out
    finally:
        hidden.rename(inside / "mlruns")


def test_an_experiment_is_a_sweep_whose_axes_the_command_line_replaces(inside, capfd):
    words = ["experiment=quickstart", "++model.width=3", "+training.learning_rate=0.001", "quantization=float32,int8"]
    before = counts_of(store_of(inside))
    assert main(["run", "-m", *TINY, *words]) == 0
    store = store_of(inside)
    assert counts_of(store)["training"] == before["training"], "all of it was there"
    assert len(comparison(store, find_sweep(store, None))) == 2


def test_an_experiment_without_m_is_one_job(inside):
    assert main(["run", *TINY, "experiment=quickstart", "model.width=3", "training.learning_rate=0.001"]) == 0
    store = store_of(inside)
    assert len(comparison(store, find_sweep(store, None))) == 1


def test_equal_jobs_merge(inside):
    assert main(["run", "-m", *TINY, "training.learning_rate=0.001,1e-3", "training.momentum=0.1,0.2"]) == 0
    store = store_of(inside)
    assert len(comparison(store, find_sweep(store, None))) == 1


def test_references_that_fail_are_a_note_and_fail_no_sweep(inside, capfd, monkeypatch):
    def fail(*given):
        raise ValueError("no classifier\nis here")

    monkeypatch.setattr(engine, "add_references", fail)
    assert main(["run", "-m", *TINY, "training.learning_rate=0.001", "quantization=float32"]) == 0
    told = capfd.readouterr()
    assert told.err.count("segsweep: note: references: not computed: ValueError: no classifier\n") == 1
    assert "For comparison" not in told.out
    assert find_sweep(store_of(inside), None).status == "FINISHED"


def test_a_plan_says_what_is_done_and_makes_nothing(inside, capfd):
    before = counts_of(store_of(inside))
    grid = [*TINY, "training.learning_rate=0.001,0.01,0.05", "quantization=float32,int8,qat_int8"]
    assert main(["plan", "-m", *grid]) == 0
    out = capfd.readouterr().out
    assert "jobs       9, 6 done" in out
    assert "trainings  3 float trainings, 2 done" in out
    assert "wave 1     1 jobs" in out
    assert "wave 2     2 jobs" in out
    assert "of training on one core" in out
    assert main(["plan", "-m", *TINY, "training.learning_rate=0.001,1e-3"]) == 0
    out = capfd.readouterr().out
    assert "1 equal ones merged" in out
    assert "Nothing to do" in out
    assert counts_of(store_of(inside)) == before
    assert main(["plan", *TINY, "model.width=0"]) == 2


def test_a_plan_where_there_is_no_store_makes_none(workplace, capfd):
    assert main(["plan", "-m", *TINY, "model.width=3,4"]) == 0
    assert "nothing like it was trained" in capfd.readouterr().out
    assert list(workplace.iterdir()) == []
