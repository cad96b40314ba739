"""Counts of which only those that are not 0 are kept, against the arrays they stand for."""

import io
import subprocess
import sys

import numpy as np
import pytest

from segsweep.evaluation.confusion import count_confusions, scores
from segsweep.evaluation.image_counts import ImageCounts, read_counts, stored_counts


def counts_of(images: int, classes: int, size: tuple[int, int]) -> np.ndarray:
    random = np.random.default_rng(images)
    truth, predicted = random.integers(0, classes, (2, images, *size)).astype(np.uint8)
    truth[random.random(truth.shape) < 0.1] = 255
    return count_confusions(truth, predicted, classes)


CASES = pytest.mark.parametrize(
    "dense",
    [counts_of(7, 3, (6, 5)), counts_of(40, 100, (1, 1)), counts_of(1, 2, (1, 1)), np.zeros((3, 4, 4), np.int64)],
    ids=["masks", "whole images", "one image", "nothing counts"],
)


@CASES
def test_sums_are_those_of_the_array(dense):
    counts = ImageCounts.of(dense)
    assert len(counts) == len(dense)
    np.testing.assert_array_equal(counts.total, dense.sum(axis=0))
    np.testing.assert_array_equal(counts.of_truth, dense.sum(axis=2))
    np.testing.assert_array_equal(counts.dense(), dense)
    np.testing.assert_array_equal(counts.dense(slice(0, 2)), dense[:2])
    np.testing.assert_array_equal(scores(counts).iou, scores(dense).iou)
    parts = [ImageCounts.of(dense[:1]), ImageCounts.of(dense[1:])]
    np.testing.assert_array_equal(ImageCounts.joined(parts).dense(), dense)


@CASES
def test_what_is_stored_is_an_array_for_everyone_and_read_again(dense, monkeypatch):
    monkeypatch.setattr("segsweep.evaluation.image_counts._AT_ONCE", 3 * dense.shape[1] ** 2)
    content = stored_counts(ImageCounts.of(dense))
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        assert arrays["counts"].dtype == np.int64
        np.testing.assert_array_equal(arrays["counts"], dense)
        for image, truth, predicted, count in arrays.get("cells", []):
            assert dense[image, truth, predicted] == count > 0
    np.testing.assert_array_equal(read_counts(content).dense(), dense)
    assert content == stored_counts(ImageCounts.of(dense)), "no time is in it"
    assert len(content) < 1000 + dense.nbytes // 8


@CASES
def test_an_archive_of_an_earlier_version_is_read(dense, monkeypatch):
    monkeypatch.setattr("segsweep.evaluation.image_counts._AT_ONCE", 3 * dense.shape[1] ** 2)
    content = io.BytesIO()
    np.savez_compressed(content, counts=dense)
    np.testing.assert_array_equal(read_counts(content.getvalue()).dense(), dense)


MEASURED = """
import resource
import numpy as np
from segsweep.evaluation.bootstrap import accuracies, paired_interval
from segsweep.evaluation.image_counts import ImageCounts, read_counts, stored_counts
from segsweep.evaluation.score_interval import score_interval
images, classes = 2500, 100
random = np.random.default_rng(0)
def made():
    places = np.arange(images) * classes**2 + random.integers(0, classes**2, images)
    return ImageCounts._at(places, np.ones(images, int), images, classes)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
one, other = (read_counts(stored_counts(made())) for _ in range(2))
paired_interval(one, other, accuracies)
score_interval(one, accuracies)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux alone")
def test_many_images_of_many_classes_take_little_memory():
    done = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True)
    # Each array alone would take 200 MB.
    assert int(done.stdout) < 150_000


def test_patches_are_summed_to_their_images_and_groups_are_kept():
    dense = counts_of(7, 3, (6, 5))
    of = np.array([0, 0, 2, 1, 2, 2, 0])
    summed = ImageCounts.of(dense).summed(of, np.array([4, 4, 1]))
    by_hand = np.stack([dense[of == image].sum(axis=0) for image in range(3)])
    np.testing.assert_array_equal(summed.dense(), by_hand)
    content = stored_counts(summed)
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["counts"], by_hand)
        np.testing.assert_array_equal(arrays["groups"], [4, 4, 1])
    np.testing.assert_array_equal(read_counts(content).groups, [4, 4, 1])
    assert read_counts(stored_counts(ImageCounts.of(dense))).groups is None
