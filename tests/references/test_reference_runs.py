"""References in a store: computed once, found again, and compared with variants."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, jaccard_score
from small_jobs import dataset, job, split

from segsweep.data.dataset import ArraySplit
from segsweep.evaluation.bootstrap import mean_ious, paired_interval
from segsweep.evaluation.image_counts import ImageCounts, read_counts, stored_counts
from segsweep.references import differences, runs
from segsweep.references.counting import commonest_class
from segsweep.references.differences import add_differences
from segsweep.references.runs import ensure_references, reference_keys
from segsweep.tracking import names
from segsweep.tracking.store import Store

DATA = dataset(test=split(2, 8))


@pytest.fixture(scope="module")
def database(tmp_path_factory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture
def store(database, request) -> Store:
    return Store.open(database, re.sub(r"\W", " ", request.node.name))


@pytest.fixture
def computed(monkeypatch) -> list[str]:
    """Gets an entry with each computation."""
    done = []
    compute = runs.count_references
    monkeypatch.setattr(runs, "count_references", lambda data: done.append("once") or compute(data))
    return done


def ensured(store, data=DATA):
    return ensure_references(job(), data, store, "some sweep")


def test_they_are_logged_with_their_scores(store):
    commonest, linear = ensured(store)
    assert [run.tags[names.REFERENCE_NAME] for run in (commonest, linear)] == ["commonest_class", "linear_pixels"]
    assert commonest.name == "always the commonest class"
    assert {run.kind for run in (commonest, linear)} == {"reference"}
    assert commonest.is_finished
    for metrics, part in (("test", DATA.test), ("validation", DATA.validation)):
        truth = part.labels.reshape(-1)
        constant = np.full(truth.shape, commonest_class(DATA))
        assert commonest.metrics[f"{metrics}/accuracy"] == pytest.approx(accuracy_score(truth, constant))
        mean_iou = jaccard_score(truth, constant, average="macro")
        assert commonest.metrics[f"{metrics}/mean_iou"] == pytest.approx(mean_iou)
    assert commonest.params["data.name"] == "npz"
    assert "model.width" not in commonest.params
    counts = read_counts(store.artifacts.required(linear, names.CONFUSION_FILE))
    assert len(counts) == 8
    assert linear.metrics["test/accuracy"] == pytest.approx(np.trace(counts.total) / counts.total.sum())


def test_they_are_computed_once(store, computed):
    first = ensured(store)
    assert [run.run_id for run in ensured(store)] == [run.run_id for run in first]
    assert computed == ["once"]
    assert len(store.of_kind("reference")) == 2


def test_one_that_is_missing_or_damaged_is_made_again(store, computed):
    commonest, linear = ensured(store)
    store.artifacts.path(linear, names.CONFUSION_FILE).write_bytes(b"damaged")
    again = ensured(store)
    assert again[0].run_id == commonest.run_id
    assert again[1].run_id != linear.run_id
    assert again[1].metrics == linear.metrics
    assert len(computed) == 2


@pytest.mark.parametrize("role", ["train", "validation", "test"])
def test_other_data_has_others(role):
    other = dataset(**{"test": split(2, 8), role: split(9, 8)})
    assert not set(reference_keys(other).values()) & set(reference_keys(DATA).values())


def test_names_of_classes_change_nothing_and_normalization_only_the_linear_one():
    renamed = replace(DATA, classes=("x", "y"))
    assert reference_keys(renamed) == reference_keys(DATA)
    changed = replace(DATA, normalization=replace(DATA.normalization, std=DATA.normalization.std * 2))
    assert reference_keys(changed)["commonest_class"] == reference_keys(DATA)["commonest_class"]
    assert reference_keys(changed)["linear_pixels"] != reference_keys(DATA)["linear_pixels"]


def variant(store, references, counts, **tags):
    """A finished variant run with these counts."""
    tags = {names.DATA_FINGERPRINT: references[0].tags[names.DATA_FINGERPRINT], **tags}
    with store.run(names.VARIANT, "int8", parent=None, tags=tags, params={}) as run_id:
        store.add_artifacts(run_id, {names.CONFUSION_FILE: stored_counts(ImageCounts.of(counts))})
    return store.get(run_id)


def right(share: float, seed: int = 0) -> np.ndarray:
    """Counts of who has so large a share of the test pixels right."""
    truth = DATA.test.labels
    wrong = np.random.default_rng(seed).random(truth.shape) > share
    predicted = np.where(wrong, 1 - truth, truth)
    cells = truth.astype(int) * 2 + predicted
    return np.stack([np.bincount(each.reshape(-1), minlength=4).reshape(2, 2) for each in cells])


def test_variants_are_compared_with_them(store):
    references = ensured(store)
    good, bad = variant(store, references, right(0.8)), variant(store, references, right(0.3))
    add_differences(store, [good, bad], references)
    good, bad = store.get(good.run_id), store.get(bad.run_id)
    linear = read_counts(store.artifacts.required(references[1], names.CONFUSION_FILE))
    expected = paired_interval(right(0.8), linear, mean_ious)
    metric = "against/linear_pixels_mean_iou"
    found = [good.metrics[name] for name in (metric, f"{metric}_low", f"{metric}_high")]
    assert found == pytest.approx([expected.difference, expected.low, expected.high])
    for reference in ("commonest_class", "linear_pixels"):
        for score in ("accuracy", "mean_iou"):
            assert good.metrics[f"against/{reference}_{score}_low"] > 0
    assert bad.metrics["against/linear_pixels_accuracy_high"] < 0
    keys = [run.tags[names.REFERENCE_KEY] for run in references]
    assert json.loads(good.tags[names.REFERENCES]) == keys


def test_variants_are_compared_once(store, monkeypatch):
    references = ensured(store)
    made = variant(store, references, right(0.8))
    add_differences(store, [made], references)
    monkeypatch.setattr(differences, "paired_interval", None)
    add_differences(store, [store.get(made.run_id)], references)


def test_equal_counts_are_compared_once(store, monkeypatch):
    references = ensured(store)
    pair = [variant(store, references, right(0.8)) for _ in range(2)]
    calls = []
    monkeypatch.setattr(differences, "paired_interval", lambda *given, groups: calls.append(given))
    add_differences(store, pair, references)
    assert len(calls) == 4
    one, other = (store.get(run.run_id).metrics for run in pair)
    assert one == other
    # Where nothing can be said of the interval, the difference alone is logged.
    assert set(one) == {f"against/{name}_{score}" for name in ("commonest_class", "linear_pixels")
                        for score in ("accuracy", "mean_iou")}  # fmt: skip


def test_variants_of_other_data_or_counted_otherwise_are_left_alone(store):
    references = ensured(store)
    others = [
        variant(store, references, right(0.8), **{names.DATA_FINGERPRINT: "another"}),
        variant(store, references, right(0.8)[:5]),
    ]
    add_differences(store, others, references)
    assert [store.get(run.run_id).metrics for run in others] == [{}, {}]


def test_a_single_test_image_gives_no_interval(store):
    data = dataset(test=ArraySplit(DATA.test.images[:1], DATA.test.labels[:1]))
    references = ensured(store, data)
    made = variant(store, references, right(0.8)[:1])
    add_differences(store, [made], references)
    found = store.get(made.run_id).metrics
    assert "against/linear_pixels_accuracy" in found
    assert not [name for name in found if name.endswith("_low")]
