"""What quantization-aware training gained, against scipy's bootstrap, and from the store to the report."""

import io

import numpy as np
import pytest
from made_sweeps import Row, make_sweep, scored
from scipy.stats import bootstrap

from segsweep.evaluation.confusion import scores
from segsweep.report.comparison import comparison, find_sweep
from segsweep.report.gain import quantization_aware_gain
from segsweep.runs.qat_gain import log_gain
from segsweep.tracking import names
from segsweep.tracking.store import Store


@pytest.fixture
def store(workplace) -> Store:
    return Store.open("sqlite:///mlruns/mlflow.db", "segsweep")


def add_counts(store: Store, run_id: str, counts: np.ndarray, groups: np.ndarray | None = None) -> None:
    content = io.BytesIO()
    np.savez(content, counts=counts, groups=np.arange(len(counts)) if groups is None else groups)
    store.add_artifacts(run_id, {names.CONFUSION_FILE: content.getvalue()})


def random_counts(seed: int, right: int, images: int = 30) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 60, (images, 3, 3)) + right * np.eye(3, dtype=np.int64)


def test_the_gain_and_its_interval(store):
    rows = [
        Row(metrics=scored(0.7)),
        Row("int8", "finetune", metrics=scored(0.71)),
        Row("qat_int8", "qat", metrics=scored(0.72)),
        Row("int8", "finetune", rate=0.1, metrics=scored(0.71)),
        Row("qat_int8", "qat", rate=0.1, metrics=scored(0.72)),
    ]
    _, (_, control, qat, _, older) = make_sweep(store, rows)
    ours, theirs = random_counts(1, 200), random_counts(2, 190)
    add_counts(store, qat, ours)
    add_counts(store, control, theirs)
    log_gain(store.get(qat), store.get(control), store)

    def difference(drawn, axis=None):
        return scores(ours[drawn]).mean_iou - scores(theirs[drawn]).mean_iou

    expected = bootstrap(
        (np.arange(30),), difference, n_resamples=3000, vectorized=False, method="percentile",
        rng=np.random.default_rng(3),
    ).confidence_interval  # fmt: skip
    run = store.get(qat)
    assert run.status == "FINISHED"
    assert run.metrics[names.GAIN_MEAN_IOU] == pytest.approx(difference(np.arange(30)))
    gain = quantization_aware_gain(comparison(store, find_sweep(store, None)))
    assert list(gain["learning_rate"]) == [0.01, 0.1]
    assert gain["gain"].tolist() == pytest.approx([0.01, 0.01])
    # For 30 images the t interval is 6 % wider than that of a percentile bootstrap.
    tolerance = 0.08 * (expected.high - expected.low)
    assert gain.at[0, "gain_low"] == pytest.approx(expected.low, abs=tolerance)
    assert gain.at[0, "gain_high"] == pytest.approx(expected.high, abs=tolerance)
    # What an older version made has none.
    assert names.GAIN_AGAINST not in store.get(older).tags
    assert gain.loc[1, ["gain_low", "gain_high"]].isna().all()
    # An interval against another control is not this one's.
    store.log(qat, tags={names.GAIN_AGAINST: "another run"})
    assert quantization_aware_gain(comparison(store, find_sweep(store, None)))["gain_low"].isna().all()


def test_a_single_image_gives_no_interval(store):
    _, (control, qat) = make_sweep(
        store, [Row("int8", "finetune", metrics=scored(0.7)), Row("qat_int8", "qat", metrics=scored(0.7))]
    )
    for run in (control, qat):
        add_counts(store, run, random_counts(1, 100, images=1))
    log_gain(store.get(qat), store.get(control), store)
    assert store.get(qat).metrics[names.GAIN_MEAN_IOU] == 0
    assert names.GAIN_MEAN_IOU_LOW not in store.get(qat).metrics


def test_images_of_one_group_give_no_interval_of_their_own(store):
    rows = [Row("int8", "finetune", metrics=scored(0.71)), Row("qat_int8", "qat", metrics=scored(0.72))]
    _, (control, qat) = make_sweep(store, rows)
    for run, seed in ((control, 1), (qat, 2)):
        add_counts(store, run, random_counts(seed, 200), groups=np.arange(30) // 6)
    log_gain(store.get(qat), store.get(control), store)
    metrics = store.get(qat).metrics
    assert names.GAIN_MEAN_IOU in metrics
    assert names.GAIN_MEAN_IOU_LOW not in metrics
