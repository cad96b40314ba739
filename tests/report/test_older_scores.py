"""Scores of older versions, by today's rules, against scikit-learn."""

import json

import numpy as np
import pytest
from made_sweeps import Row, make_sweep
from sklearn.metrics import f1_score, jaccard_score

from segsweep.report.comparison import compare
from segsweep.tracking import names
from segsweep.tracking.store import Store

CLASSES = ["road", "tree", "roof", "water"]
TRUTH = np.array([0, 0, 1, 1, 1, 2, 2, 2, 2, 0])
PREDICTED = {"float32": np.array([0, 0, 1, 1, 0, 2, 2, 2, 1, 0]), "int8": np.array([0, 3, 1, 1, 1, 2, 2, 2, 2, 0])}
"""`water` occurs in no mask, and the int8 file predicts it in one pixel."""


def logged_by_0_1(predicted: np.ndarray, baseline: dict[str, float] | None) -> dict[str, float]:
    """The metrics of a version before 0.2: means over the classes present in truth or prediction."""
    found: dict[str, float] = {names.ACCURACY: float((predicted == TRUTH).mean()), names.SIZE_BYTES: 1000.0}
    present = sorted({*TRUTH, *predicted})
    for mean, stem, score in (
        (names.MEAN_IOU, names.IOU, jaccard_score),
        (names.MEAN_DICE, names.DICE, f1_score),
    ):
        of_class = score(TRUTH, predicted, labels=present, average=None)
        found[mean] = float(of_class.mean())
        found |= {names.class_metrics(stem, CLASSES)[each]: float(value) for each, value in zip(present, of_class)}
    for each in set(TRUTH):
        found[names.class_metrics(names.RECALL, CLASSES)[each]] = float((predicted[each == TRUTH] == each).mean())
    found[names.DELTA_MEAN_IOU] = found[names.MEAN_IOU] - baseline[names.MEAN_IOU] if baseline else 0.0
    return found | {names.DELTA_MEAN_IOU_LOW: -0.01, names.DELTA_MEAN_IOU_HIGH: 0.01}


@pytest.fixture
def older(tmp_path):
    store = Store.open(f"sqlite:///{tmp_path}/mlflow.db", "segsweep")
    tags = {names.SCORE_RULES: "1", names.CLASSES: json.dumps(CLASSES)}
    exact = logged_by_0_1(PREDICTED["float32"], None)
    quantized = logged_by_0_1(PREDICTED["int8"], exact)
    sweep, ids = make_sweep(store, [Row(metrics=exact, tags=tags), Row("int8", metrics=quantized, tags=tags)])
    for run in ids:
        store.log(run, tags={names.BASELINE_RUN_ID: ids[0]})
    return compare(store, store.get(sweep))


def test_means_are_over_the_classes_that_occur_in_the_truth(older):
    labels = sorted(set(TRUTH))
    for row in older.table.to_dict("records"):
        predicted = PREDICTED[row["quantization"]]
        expected = jaccard_score(TRUTH, predicted, labels=labels, average="macro")
        assert row["mean_iou"] == pytest.approx(expected)
        assert row["mean_dice"] == pytest.approx(f1_score(TRUTH, predicted, labels=labels, average="macro"))
    exact, quantized = older.table["mean_iou"]
    assert list(older.table["delta_mean_iou"]) == pytest.approx([0.0, quantized - exact])


def test_intervals_are_left_out_and_the_remark_says_what_to_do(older):
    assert older.table.attrs["delta_mean_iou"] == {}
    assert older.table["validation_mean_iou"].isna().all()
    (remark,) = older.table.attrs["remarks"]
    assert remark.startswith("2 rows were scored by a version before 0.2")
    assert "Run the sweep again to score the files again; a training is made again only where" in remark
